"""Timeouts against clients that send a request, or receive a response, too slowly."""

from __future__ import annotations

import asyncio
import gc
import json
import socket
from contextlib import suppress
from typing import Any

import anyio
import httpx
import pytest
from anyio import to_thread
from anyio.abc import SocketStream

from customerio_track_mcp.http.small_reads import SmallReadsMixin
from customerio_track_mcp.sandbox import RunningSandbox
from tests.support.http_service import (
    PING,
    TOKEN,
    TOOLS_LIST,
    TWO_CALLERS,
    bearer,
    call,
    connect,
    read_until_closed,
    running_service,
)
from tests.support.scripted_server import ScriptedServer, respond_when
from tests.support.waiting import wait_until


@pytest.mark.parametrize("sent", [b"", b"POST /mcp HTTP/1.1\r\nHost: loc"])
async def test_slow_head_closes_the_connection(sandbox: RunningSandbox, sent: bytes) -> None:
    async with running_service(sandbox.url, body_timeout=0.2) as http, await connect(http) as stream:
        if sent:
            await stream.send(sent)
        assert await read_until_closed(stream) == b""


async def test_slow_second_head_closes_the_connection(sandbox: RunningSandbox) -> None:
    async with running_service(sandbox.url, body_timeout=0.2) as http, await connect(http) as stream:
        await stream.send(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\nGET /hea")
        assert (await read_until_closed(stream)).startswith(b"HTTP/1.1 200")


HEALTH = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"


async def health(stream: SocketStream) -> None:
    """Send a request and receive its response, and leave the connection open."""
    await stream.send(HEALTH)
    received = b""
    while not received.endswith(b"ok\n"):
        received += await stream.receive()


async def outlast_the_head_timeout(http: httpx.AsyncClient) -> None:
    """Wait until a connection that is opened now is closed, since nothing is sent on it."""
    async with await connect(http) as silent:
        assert await read_until_closed(silent) == b""


async def test_connection_is_kept_longer_after_a_response_than_before_a_request(sandbox: RunningSandbox) -> None:
    async with running_service(sandbox.url, body_timeout=0.2, keep_alive=60) as http, await connect(http) as stream:
        for _ in range(2):
            await health(stream)
            await outlast_the_head_timeout(http)
        await stream.send(b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n")
        assert (await stream.receive()).startswith(b"HTTP/1.1 400")
        await outlast_the_head_timeout(http)
        await health(stream)


async def test_connection_is_closed_when_the_keep_alive_time_is_over(sandbox: RunningSandbox) -> None:
    async with running_service(sandbox.url, body_timeout=600, keep_alive=0.2) as http, await connect(http) as stream:
        await health(stream)
        assert await read_until_closed(stream) == b""


@pytest.mark.parametrize("next_head", [b"G", HEALTH[:-1]])
async def test_head_timeout_runs_from_the_first_byte_of_a_later_request(
    sandbox: RunningSandbox, next_head: bytes
) -> None:
    async with running_service(sandbox.url, body_timeout=0.2, keep_alive=600) as http, await connect(http) as stream:
        await health(stream)
        await stream.send(next_head)
        assert await read_until_closed(stream) == b""


async def test_connection_is_not_kept_forever_after_the_rest_of_an_answered_request(sandbox: RunningSandbox) -> None:
    """uvicorn's own timer ends when the rest arrives."""
    settings: dict[str, Any] = {"body_timeout": 0.5, "keep_alive": 600, "max_body_bytes": 1024}
    async with running_service(sandbox.url, **settings) as http, await connect(http) as stream:
        await stream.send(b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 5000\r\n\r\n")
        assert (await stream.receive()).startswith(b"HTTP/1.1 413")
        await stream.send(b" " * 5000)
        await read_until_closed(stream)


async def test_connections_beyond_half_of_the_maximum_are_kept_shortly(sandbox: RunningSandbox) -> None:
    settings: dict[str, Any] = {"body_timeout": 0.2, "keep_alive": 600, "max_connections": 4}
    async with (
        running_service(sandbox.url, **settings) as http,
        await connect(http) as first,
        await connect(http) as second,
    ):
        await health(first)
        await health(second)
        async with await connect(http) as third:
            await health(third)
            assert await read_until_closed(third) == b""
        await health(first)
        await health(second)


async def test_connections_without_a_request_are_closed_at_shutdown(sandbox: RunningSandbox) -> None:
    settings: dict[str, Any] = {"body_timeout": 600, "keep_alive": 600, "grace_period": 600}
    with anyio.fail_after(30):
        async with running_service(sandbox.url, **settings) as http:
            kept, silent = await connect(http), await connect(http)
            await health(kept)
        async with kept, silent:
            assert await read_until_closed(kept) == b""
            assert await read_until_closed(silent) == b""


async def test_head_timeout_does_not_run_during_a_call(scripted: ScriptedServer) -> None:
    go = anyio.Event()
    scripted.acts = [respond_when(go)]
    body = json.dumps(call()).encode()
    head = (
        "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Accept: application/json, text/event-stream\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    async with running_service(scripted.url, body_timeout=0.1) as http, await connect(http) as stream:
        await stream.send(head.encode() + body)
        await scripted.received.wait()
        # The timeout closes an idle connection that was opened later, so it would have closed this one too.
        async with await connect(http) as idle:
            assert await read_until_closed(idle) == b""
        go.set()
        assert b'"success":true' in await read_until_closed(stream)


@pytest.mark.parametrize("token", [TOKEN, None])
async def test_rest_of_a_request_that_got_a_response_is_not_awaited_for_long(
    sandbox: RunningSandbox, token: str | None
) -> None:
    authorization = f"Authorization: Bearer {token}\r\n" if token else ""
    head = f"POST /mcp HTTP/1.1\r\nHost: localhost\r\n{authorization}Content-Length: 100000000\r\n\r\n"
    async with (
        running_service(sandbox.url, tokens=TWO_CALLERS, body_timeout=0.3) as http,
        await connect(http) as stream,
    ):
        await stream.send(head.encode())
        with anyio.fail_after(20):
            try:
                while True:
                    # An idle timeout would never close a connection on which a byte arrives now and then.
                    await stream.send(b" ")
                    await anyio.sleep(0.05)
            except (anyio.BrokenResourceError, anyio.ClosedResourceError):
                pass
        assert (await http.post("/mcp", json=PING, headers=bearer(TOKEN))).status_code == 200


def connections_of(client: socket.socket) -> list[asyncio.Transport]:
    """Return the service's side, which is in this process, of the connection of a client."""
    protocols = [item for item in gc.get_objects() if isinstance(item, SmallReadsMixin)]
    transports = [protocol.transport for protocol in protocols if protocol.transport is not None]
    return [item for item in transports if item.get_extra_info("peername") == client.getsockname()]


async def test_response_that_is_not_received_is_discarded(sandbox: RunningSandbox) -> None:
    # Together, the responses to these pipelined requests are larger than what the system buffers for a connection.
    body = json.dumps(TOOLS_LIST).encode()
    head = (
        "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
        f"Accept: application/json, text/event-stream\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    request = head.encode() + body

    def send_many() -> None:
        with socket.socket.dup(client) as copy, suppress(OSError):
            copy.sendall(request * 1000)

    async with running_service(sandbox.url, body_timeout=2) as http, anyio.create_task_group() as tasks:
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            client.connect(("127.0.0.1", http.base_url.port))
            client.sendall(request)
            await wait_until(lambda: connections_of(client) != [])
            (connection,) = connections_of(client)
            tasks.start_soon(to_thread.run_sync, send_many)
            await wait_until(lambda: connection.get_write_buffer_size() > 50_000)
            await wait_until(lambda: connection.get_write_buffer_size() == 0)
        assert (await http.post("/mcp", json=PING)).status_code == 200
