"""Clients that send too slowly, and clients that leave."""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable

import anyio
import pytest
from starlette.responses import Response
from starlette.types import Message, Receive, Scope, Send

from customerio_track_mcp.http.middleware.client_watch import ClientWatchMiddleware
from customerio_track_mcp.sandbox import RunningSandbox
from tests.support.http_service import HEADERS, PING, TOKEN, bearer, connect, read_until_closed, running_service
from tests.support.raw_messages import LEGACY, MODERN, event, headers_of, raw_call
from tests.support.scripted_server import ScriptedServer, hang
from tests.support.waiting import wait_until


async def test_slow_body_gets_408(sandbox: RunningSandbox) -> None:
    async with running_service(sandbox.url, body_timeout=0.2) as http, await connect(http) as stream:
        head = "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n"
        await stream.send(f"{head}{{".encode())
        response = await read_until_closed(stream)
        assert response.startswith(b"HTTP/1.1 408")
        assert (await http.post("/mcp", json=PING)).status_code == 200


async def test_body_that_is_complete_after_the_deadline_is_not_served() -> None:
    """The event loop may see both at once, as when something else has kept it busy."""
    statuses: list[int] = []
    served: list[Message] = []

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        served.append(await receive())
        await Response()(scope, receive, send)

    async def receive() -> Message:
        return {"type": "http.request", "body": b"{}", "more_body": False}

    async def send(message: Message) -> None:
        if message["type"] == "http.response.start":
            statuses.append(message["status"])

    await ClientWatchMiddleware(serve, body_seconds=0)({"type": "http"}, receive, send)
    assert (served, statuses) == ([], [408])


@pytest.mark.parametrize("version", ["2025-11-25", "2026-07-28"])
async def test_client_that_leaves_during_the_body_is_not_logged(
    sandbox: RunningSandbox, version: str, caplog: pytest.LogCaptureFixture
) -> None:
    head = (
        f"POST /mcp HTTP/1.1\r\nHost: localhost\r\nMCP-Protocol-Version: {version}\r\n"
        f"Authorization: Bearer {TOKEN}\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{{"
    )
    with caplog.at_level(logging.INFO):
        async with running_service(sandbox.url, tokens=f"ann {TOKEN} metrics:read", max_in_flight=1) as http:

            async def is_in_flight() -> bool:
                metrics = (await http.get("/metrics", headers=bearer(TOKEN))).text
                return "calls_in_flight 1.0" in metrics

            async def is_idle() -> bool:
                return not await is_in_flight()

            async with await connect(http) as stream:
                await stream.send(head.encode())
                await wait_until(is_in_flight)
            await wait_until(is_idle)
            assert (await http.post("/mcp", json=PING, headers=bearer(TOKEN))).status_code == 200
    assert [record.message for record in caplog.records if record.levelno >= logging.WARNING] == []
    assert "request refused" not in caplog.text


@pytest.mark.parametrize("follows", [b"", b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n\r\n"])
@pytest.mark.parametrize("close", [socket.socket.close, lambda client: client.shutdown(socket.SHUT_WR)])
@pytest.mark.parametrize("version", [LEGACY, MODERN])
async def test_client_that_leaves_cancels_its_call(
    scripted: ScriptedServer, version: str, close: Callable[[socket.socket], None], follows: bytes
) -> None:
    """Also if it has sent the start of another request."""
    scripted.acts = [hang]
    body = raw_call(version, event())
    headers = HEADERS | headers_of(version) | {"Host": "localhost", "Content-Length": str(len(body))}
    lines = ["POST /mcp HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    async with running_service(scripted.url, max_in_flight=1) as http:
        with socket.create_connection(("127.0.0.1", http.base_url.port)) as client:
            client.sendall("\r\n".join(lines).encode() + body + follows)
            await scripted.received.wait()
            close(client)
            with anyio.fail_after(20):
                await scripted.client_left.wait()

        async def is_idle() -> bool:
            return (await http.post("/mcp", json=PING)).status_code == 200

        await wait_until(is_idle)


async def test_client_that_leaves_a_refused_request_changes_nothing(sandbox: RunningSandbox) -> None:
    async with running_service(sandbox.url, max_body_bytes=1024) as http:
        for _ in range(3):
            async with await connect(http) as stream:
                await stream.send(b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000\r\n\r\n{")
                assert (await stream.receive()).startswith(b"HTTP/1.1 413")
        assert (await http.get("/healthz")).status_code == 200
