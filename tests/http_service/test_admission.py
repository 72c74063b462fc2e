"""What the service takes on, and what a hostile or slow caller gets."""

from __future__ import annotations

import asyncio
import gc
import json
import logging
import socket
from collections.abc import AsyncIterator
from typing import Any

import anyio
import httpx
import pytest
from anyio import to_thread
from anyio.abc import SocketStream
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client
from mcp.shared.exceptions import MCPError

from customerio_track_mcp.sandbox import RunningSandbox
from tests.http_service.serving import HEADERS, OTHER_TOKEN, PING, TOKEN, bearer, call, payload_in, serving
from tests.scripted import ScriptedServer, answer_when
from tests.waiting import until

TOKENS = f"ann {TOKEN}, bob {OTHER_TOKEN}"


async def test_over_its_bound_a_caller_is_told_at_once_and_others_are_served(scripted: ScriptedServer) -> None:
    go = anyio.Event()
    scripted.acts = [answer_when(go)] * 2
    replies: list[httpx.Response] = []
    async with serving(scripted.url, tokens=TOKENS, max_in_flight_per_caller=2) as http:

        async def send() -> None:
            replies.append(await http.post("/mcp", json=call(), headers=bearer(TOKEN)))

        async with anyio.create_task_group() as tasks:
            for _ in range(2):
                tasks.start_soon(send)
            await until(lambda: len(scripted.requests) == 2)
            over = await http.post("/mcp", json=call(), headers=bearer(TOKEN))
            assert (over.status_code, over.headers["retry-after"]) == (429, "1")
            assert over.json()["error"]["message"] == (
                "Nothing was sent: 2 calls of this caller are in flight already, which is the most. "
                "Wait a second and call again."
            )
            assert payload_in(await http.post("/mcp", json=call(), headers=bearer(OTHER_TOKEN)))["success"]
            go.set()
        assert [payload_in(reply)["success"] for reply in replies] == [True, True]
        assert payload_in(await http.post("/mcp", json=call(), headers=bearer(TOKEN)))["success"]
    assert len(scripted.requests) == 4


async def test_over_the_bound_for_all_everybody_is_told(scripted: ScriptedServer) -> None:
    go = anyio.Event()
    scripted.acts = [answer_when(go)]
    async with serving(scripted.url, tokens=TOKENS, max_in_flight=1) as http, anyio.create_task_group() as tasks:

        async def send() -> None:
            assert payload_in(await http.post("/mcp", json=call(), headers=bearer(TOKEN)))["success"]

        tasks.start_soon(send)
        await scripted.received.wait()
        over = await http.post("/mcp", json=call(), headers=bearer(OTHER_TOKEN))
        assert over.status_code == 429
        assert "1 calls are in flight already" in over.text
        assert (await http.get("/healthz")).status_code == 200
        go.set()


async def test_the_sdks_client_hands_on_what_a_busy_service_says(scripted: ScriptedServer) -> None:
    go = anyio.Event()
    scripted.acts = [answer_when(go)]
    async with (
        serving(scripted.url, max_in_flight=1) as http,
        create_mcp_http_client() as own,
        Client(streamable_http_client(f"{http.base_url}/mcp", http_client=own)) as client,
        anyio.create_task_group() as tasks,
    ):

        async def send() -> None:
            await http.post("/mcp", json=call())

        tasks.start_soon(send)
        await scripted.received.wait()
        with pytest.raises(MCPError, match="Wait a second and call again"):
            await client.call_tool("send_event", {"customer_id": "1", "event_name": "bought"})
        go.set()


async def test_a_body_over_the_limit_is_refused_before_it_is_read(sandbox: RunningSandbox) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b" " * 1024

    async with serving(sandbox.url, max_body_bytes=4096) as http:
        announced = await http.post("/mcp", content=b" " * 5000)
        streamed = await http.post("/mcp", content=endless())
        assert [announced.status_code, streamed.status_code] == [413, 413]
        assert (await http.post("/mcp", json=PING)).status_code == 200


async def test_the_largest_call_that_the_track_api_takes_gets_through(sandbox: RunningSandbox) -> None:
    attributes = {f"a{number}" + "ä" * 70: "ä" * 450 for number in range(298)}
    async with serving(sandbox.url) as http:
        arguments = {"customer_id": "1", "email": "ann@example.com", "attributes": attributes}
        # As most clients write JSON: every letter beyond ASCII in six characters.
        body = json.dumps(call("create_or_update_customer", **arguments))
        reply = await http.post("/mcp", content=body)
    assert payload_in(reply)["success"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"7",
        b'"text"',
        b"\xff\xfe\x00",
        b'{"jsonrpc": "2.0"}',
        b'{"jsonrpc": "1.0", "id": 1, "method": "ping"}',
        b'[{"jsonrpc": "2.0", "id": 1, "method": "ping"}]',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"jsonrpc": "2.0", "id": ' + b"9" * 10_000 + b', "method": "ping"}',
        b'{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "secret@example.com" }',
    ],
)
@pytest.mark.parametrize("version", ["2025-11-25", "2026-07-28"])
async def test_a_malformed_body_is_refused_without_a_trace_of_it(
    sandbox: RunningSandbox, body: bytes, version: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with serving(sandbox.url) as http:
        reply = await http.post("/mcp", content=body, headers={"MCP-Protocol-Version": version})
        assert reply.status_code == 400
        assert "Traceback" not in reply.text + caplog.text
        assert "secret@example.com" not in caplog.text
        assert (await http.post("/mcp", json=PING)).status_code == 200


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 421),
        ({"Host": "evil.example:8000"}, 421),
        ({"Host": "127.0.0.1.evil.example"}, 421),
        ({"Host": "mcp.example.com"}, 200),
        ({"Host": "mcp.example.com:443"}, 200),
        ({"Host": "MCP.Example.com"}, 200),
        ({"Host": "internal.example"}, 200),
        ({"Host": "localhost"}, 200),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "https://app.example.com.evil.example"}, 403),
        ({"Origin": "http://app.example.com"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": "https://app.example.com"}, 200),
        ({"Content-Type": "text/plain"}, 400),
        ({"Accept": "text/html"}, 406),
    ],
)
async def test_hosts_and_origins_are_checked_by_the_lists(
    sandbox: RunningSandbox, headers: dict[str, str], status: int
) -> None:
    settings: dict[str, Any] = {
        "public_url": "https://mcp.example.com/mcp",
        "allowed_hosts": "internal.example",
        "allowed_origins": "https://app.example.com",
    }
    async with serving(sandbox.url, **settings) as http:
        assert (await http.post("/mcp", json=PING, headers=HEADERS | headers)).status_code == status


@pytest.mark.parametrize(("origin", "allowed"), [("https://app.example.com", True), ("https://evil.example", False)])
async def test_a_web_page_that_may_call_is_told_so_by_cors(
    sandbox: RunningSandbox, origin: str, *, allowed: bool
) -> None:
    asked = {
        "Origin": origin,
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization,content-type,mcp-protocol-version",
    }
    async with serving(sandbox.url, allowed_origins="https://app.example.com", tokens=TOKENS) as http:
        preflight = await http.request("OPTIONS", "/mcp", headers=asked)
        assert (preflight.status_code == 200) is allowed
        assert (preflight.headers.get("access-control-allow-origin") == origin) is allowed
        reply = await http.post("/mcp", json=PING, headers=bearer(TOKEN) | {"Origin": origin})
        assert (reply.headers.get("access-control-allow-origin") == origin) is allowed


async def test_a_path_is_not_redirected_by_the_host_that_a_request_names(sandbox: RunningSandbox) -> None:
    async with serving(sandbox.url) as http:
        reply = await http.post("/mcp/", json=PING, headers={"Host": "evil.example"})
    assert reply.status_code == 404


async def connect(http: httpx.AsyncClient) -> SocketStream:
    port = http.base_url.port
    assert port is not None
    return await anyio.connect_tcp("127.0.0.1", port)


async def received(stream: SocketStream) -> bytes:
    """All that comes until the other side closes."""
    told = b""
    with anyio.fail_after(20):
        while True:
            try:
                told += await stream.receive()
            except (anyio.EndOfStream, anyio.BrokenResourceError):
                return told


async def test_a_body_that_comes_too_slowly_gets_a_408(sandbox: RunningSandbox) -> None:
    async with serving(sandbox.url, body_timeout=0.2) as http, await connect(http) as stream:
        head = "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n"
        await stream.send(f"{head}{{".encode())
        told = await received(stream)
        assert told.startswith(b"HTTP/1.1 408")
        assert (await http.post("/mcp", json=PING)).status_code == 200


@pytest.mark.parametrize("begun", [b"", b"POST /mcp HTTP/1.1\r\nHost: loc"])
async def test_a_head_that_does_not_come_ends_the_connection(sandbox: RunningSandbox, begun: bytes) -> None:
    async with serving(sandbox.url, body_timeout=0.2) as http, await connect(http) as stream:
        if begun:
            await stream.send(begun)
        assert await received(stream) == b""


async def test_a_second_head_that_does_not_come_ends_the_connection_too(sandbox: RunningSandbox) -> None:
    async with serving(sandbox.url, body_timeout=0.2) as http, await connect(http) as stream:
        await stream.send(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\nGET /hea")
        assert (await received(stream)).startswith(b"HTTP/1.1 200")


async def test_a_slow_answer_is_no_slow_request(scripted: ScriptedServer) -> None:
    """The time-out for a request's head does not run while the answer to the last one is made."""
    go = anyio.Event()
    scripted.acts = [answer_when(go)]
    body = json.dumps(call()).encode()
    head = (
        "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Accept: application/json, text/event-stream\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    async with serving(scripted.url, body_timeout=0.1) as http, await connect(http) as stream:
        await stream.send(head.encode() + body)
        await scripted.received.wait()
        # Another connection, opened later, is closed by the time-out: so ours had more than that.
        async with await connect(http) as other:
            assert await received(other) == b""
        go.set()
        assert b'"success":true' in await received(stream)


@pytest.mark.parametrize("token", [TOKEN, None])
async def test_what_is_left_of_a_request_that_was_answered_is_not_awaited_for_long(
    sandbox: RunningSandbox, token: str | None
) -> None:
    known = f"Authorization: Bearer {token}\r\n" if token else ""
    head = f"POST /mcp HTTP/1.1\r\nHost: localhost\r\n{known}Content-Length: 100000000\r\n\r\n"
    async with serving(sandbox.url, tokens=TOKENS, body_timeout=0.3) as http, await connect(http) as stream:
        await stream.send(head.encode())
        with anyio.fail_after(20):
            try:
                while True:
                    # A byte now and then would keep the connection for ever.
                    await stream.send(b" ")
                    await anyio.sleep(0.05)
            except (anyio.BrokenResourceError, anyio.ClosedResourceError):
                pass
        assert (await http.post("/mcp", json=PING, headers=bearer(TOKEN))).status_code == 200


def kept_for(client: socket.socket) -> int:
    """The bytes that the service, in this process, keeps for that client."""
    transports = (item for item in gc.get_objects() if isinstance(item, asyncio.Transport))
    return sum(
        transport.get_write_buffer_size()
        for transport in transports
        if transport.get_extra_info("peername") == client.getsockname()
    )


async def test_an_answer_that_is_not_taken_is_not_kept_for_long(sandbox: RunningSandbox) -> None:
    """A request's id is repeated in the answer, in this protocol with six bytes for each such letter."""
    version = "2026-07-28"
    meta = {"io.modelcontextprotocol/protocolVersion": version, "io.modelcontextprotocol/clientCapabilities": {}}
    discover = {"jsonrpc": "2.0", "id": "é" * 1_000_000, "method": "server/discover", "params": {"_meta": meta}}
    body = json.dumps(discover, ensure_ascii=False).encode()
    head = (
        "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"MCP-Protocol-Version: {version}\r\nMcp-Method: server/discover\r\n"
        f"Accept: application/json, text/event-stream\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    async with serving(sandbox.url, body_timeout=1) as http:
        with socket.socket() as raw:
            raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            raw.connect(("127.0.0.1", http.base_url.port))
            await to_thread.run_sync(raw.sendall, head.encode() + body)
            await until(lambda: kept_for(raw) > 1_000_000)
            await until(lambda: kept_for(raw) == 0)
        assert (await http.post("/mcp", json=PING)).status_code == 200


@pytest.mark.parametrize("version", ["2025-11-25", "2026-07-28"])
async def test_who_leaves_in_the_middle_of_a_body_leaves_no_trace(
    sandbox: RunningSandbox, version: str, caplog: pytest.LogCaptureFixture
) -> None:
    head = (
        f"POST /mcp HTTP/1.1\r\nHost: localhost\r\nMCP-Protocol-Version: {version}\r\n"
        f"Authorization: Bearer {TOKEN}\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{{"
    )
    with caplog.at_level(logging.INFO):
        async with serving(sandbox.url, tokens=f"ann {TOKEN} metrics:read", max_in_flight=1) as http:
            async with await connect(http) as stream:
                await stream.send(head.encode())

                async def at_work() -> bool:
                    told = (await http.get("/metrics", headers=bearer(TOKEN))).text
                    return "calls_in_flight 1.0" in told

                await until(at_work)

            async def free() -> bool:
                return not await at_work()

            await until(free)
            assert (await http.post("/mcp", json=PING, headers=bearer(TOKEN))).status_code == 200
    assert [record.message for record in caplog.records if record.levelno >= logging.WARNING] == []
    assert "request refused" not in caplog.text


async def test_slow_callers_hold_up_nobody(sandbox: RunningSandbox) -> None:
    head = f"POST /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: 100\r\n\r\n{{"
    async with serving(sandbox.url, tokens=TOKENS, max_in_flight_per_caller=20, body_timeout=60) as http:
        streams = [await connect(http) for _ in range(20)]
        for stream in streams:
            await stream.send(head.encode())

        async def answered(status: int) -> bool:
            return (await http.post("/mcp", json=PING, headers=bearer(TOKEN))).status_code == status

        await until(lambda: answered(429))
        assert payload_in(await http.post("/mcp", json=call(), headers=bearer(OTHER_TOKEN)))["success"]
        for stream in streams:
            await stream.aclose()
        await until(lambda: answered(200))
