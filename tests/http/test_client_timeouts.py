"""Timeouts against clients that send a request, or receive a response, too slowly."""

from __future__ import annotations

import asyncio
import gc
import json
import socket
from contextlib import suppress

import anyio
import pytest
from anyio import to_thread

from customerio_track_mcp.http.small_reads import SmallReadsH11Protocol
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
    protocols = [item for item in gc.get_objects() if isinstance(item, SmallReadsH11Protocol)]
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
