"""The ASGI server's sockets."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator

import anyio
import pytest
from starlette.responses import PlainTextResponse

from customerio_track_mcp.http.server import serve
from customerio_track_mcp.http.transport_in_scope import TransportInScopeMixin
from customerio_track_mcp.settings.http import HttpSettings
from tests.support.http_service import call, payload_in, running_service
from tests.support.scripted_server import ScriptedServer


@pytest.fixture
def no_delay(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """TCP_NODELAY of each accepted connection. Without it, the second part of a response waits 40 ms for an ACK."""
    options: list[int] = []
    connection_made = TransportInScopeMixin.connection_made

    def spy(protocol: TransportInScopeMixin, transport: asyncio.Transport) -> None:
        options.append(transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        connection_made(protocol, transport)

    monkeypatch.setattr(TransportInScopeMixin, "connection_made", spy)
    return options


async def test_accepted_connections_have_tcp_nodelay(scripted: ScriptedServer, no_delay: list[int]) -> None:
    async with running_service(scripted.url) as http:
        assert payload_in(await http.post("/mcp", json=call()))["success"]
    assert no_delay
    assert all(no_delay)


async def test_connections_made_before_startup_have_tcp_nodelay(no_delay: list[int]) -> None:
    stop = anyio.Event()

    async def signals() -> AsyncIterator[None]:
        await stop.wait()
        yield

    listener = socket.create_server(("127.0.0.1", 0))
    with socket.create_connection(listener.getsockname()) as early:
        early.setblocking(False)
        early.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")

        async def run() -> None:
            await serve(
                PlainTextResponse("ok"),
                listener,
                HttpSettings.from_environment(grace_period=0),
                on_ready=lambda: None,
                drain=lambda: None,
                end_calls=lambda: None,
                signals=signals,
            )

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(run)
            await anyio.wait_readable(early)
            stop.set()
    assert no_delay == [1]
