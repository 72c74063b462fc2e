"""The limit on the memory of requests in flight, per caller and in total."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import anyio
import httpx
import pytest
from anyio.abc import SocketStream

from customerio_track_mcp.sandbox import RunningSandbox
from tests.support.http_service import (
    OTHER_TOKEN,
    PING,
    TOKEN,
    TWO_CALLERS,
    bearer,
    call,
    connect,
    payload_in,
    running_service,
)
from tests.support.scripted_server import ScriptedServer, respond_when
from tests.support.waiting import wait_until

MIB = 2**20
CHARGED = "calls of this caller in flight would take more than 1 MiB of memory, which is the maximum"


async def send_part(http: httpx.AsyncClient, token: str, part: bytes, length: int = 100_000) -> SocketStream:
    """Send the head of a request and the first part of its body."""
    stream = await connect(http)
    head = f"POST /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {token}\r\nContent-Length: {length}\r\n\r\n"
    await stream.send(head.encode() + part)
    return stream


@asynccontextmanager
async def parts_in_flight(http: httpx.AsyncClient, number: int, part: bytes) -> AsyncIterator[None]:
    """Have unfinished requests of the first caller in flight."""
    async with AsyncExitStack() as stack:
        for _ in range(number):
            await stack.enter_async_context(await send_part(http, TOKEN, part))
        yield


def is_status(request: Callable[[], Awaitable[int]], expected: int) -> Callable[[], Awaitable[bool]]:
    """Return a condition for `wait_until`."""

    async def condition() -> bool:
        return await request() == expected

    return condition


def padded(padding: str) -> bytes:
    """Return a ping whose parameters contain a string."""
    return f'{{"jsonrpc":"2.0","id":1,"method":"ping","params":{{"_meta":{{"x":"{padding}"}}}}}}'.encode()


@pytest.mark.parametrize(
    "part", [b" " * 60_000, b"[" * 7000, b"{" * 7000, b"," * 7000, b"\\u005b" * 4500, b"\\u002C" * 4500]
)
async def test_caller_over_its_memory_gets_429_and_others_are_served(sandbox: RunningSandbox, part: bytes) -> None:
    async with running_service(sandbox.url, tokens=TWO_CALLERS, max_request_memory_per_caller=MIB) as http:

        async def status(token: str) -> int:
            return (await http.post("/mcp", content=padded("a" * 50_000), headers=bearer(token))).status_code

        async with parts_in_flight(http, 1, part):
            await wait_until(is_status(lambda: status(TOKEN), 429))
            refused = await http.post("/mcp", content=padded("a" * 50_000), headers=bearer(TOKEN))
            assert refused.headers["retry-after"] == "1"
            assert refused.json()["error"]["code"] == -32000
            assert CHARGED in refused.json()["error"]["message"]
            assert await status(OTHER_TOKEN) == 200
            assert payload_in(await http.post("/mcp", json=call(), headers=bearer(TOKEN)))["success"]
        await wait_until(is_status(lambda: status(TOKEN), 200))


async def test_every_caller_gets_429_over_the_total_memory(sandbox: RunningSandbox) -> None:
    async with running_service(
        sandbox.url, tokens=TWO_CALLERS, max_request_memory=MIB, max_request_memory_per_caller=2 * MIB
    ) as http:

        async def status() -> int:
            return (await http.post("/mcp", content=padded("a" * 50_000), headers=bearer(OTHER_TOKEN))).status_code

        async with parts_in_flight(http, 1, b" " * 60_000):
            await wait_until(is_status(status, 429))


async def test_only_what_was_received_is_charged(sandbox: RunningSandbox) -> None:
    tokens = f"{TWO_CALLERS} metrics:read"
    async with running_service(sandbox.url, tokens=tokens, max_request_memory_per_caller=MIB) as http:

        async def in_flight() -> bool:
            return "calls_in_flight 20.0" in (await http.get("/metrics", headers=bearer(OTHER_TOKEN))).text

        async with parts_in_flight(http, 20, b"{"):
            await wait_until(in_flight)
            response = await http.post("/mcp", content=padded("a" * 50_000), headers=bearer(TOKEN))
            assert response.status_code == 200


async def test_memory_is_charged_until_the_response(scripted: ScriptedServer) -> None:
    go = anyio.Event()
    scripted.acts = [respond_when(go)]
    async with (
        running_service(scripted.url, max_request_memory_per_caller=MIB) as http,
        anyio.create_task_group() as tasks,
    ):
        large = call("send_event", customer_id="1", event_name="bought", data={"text": "a" * 60_000})
        tasks.start_soon(lambda: http.post("/mcp", json=large))
        await scripted.received.wait()
        assert CHARGED in (await http.post("/mcp", content=padded("a" * 50_000))).text
        go.set()
    assert len(scripted.requests) == 1


async def test_only_call_of_a_caller_is_accepted_whatever_its_size(sandbox: RunningSandbox) -> None:
    async with running_service(sandbox.url, max_request_memory=MIB, max_request_memory_per_caller=MIB) as http:
        assert (await http.post("/mcp", content=padded("a" * 1_000_000))).status_code == 200
        assert (await http.post("/mcp", json=PING)).status_code == 200
