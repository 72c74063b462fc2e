"""One process of the service: uvicorn, and an end in which no call is lost without an answer."""

from __future__ import annotations

import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Final

import anyio
import uvicorn
from starlette.types import ASGIApp

from customerio_track_mcp.http.protocol import impatient_protocol
from customerio_track_mcp.settings.http import HttpSettings
from customerio_track_mcp.signals import signals

SECONDS_TO_ANSWER: Final = 3
"""For the answers to calls that were ended to get to their callers."""


async def serve(
    app: ASGIApp,
    listener: socket.socket,
    settings: HttpSettings,
    *,
    ready: Callable[[], None],
    drain: Callable[[], None],
    end_calls: Callable[[], None],
    signals: Callable[[], AsyncIterator[None]] = signals,
) -> None:
    """Serve until a signal comes, then let the calls in flight finish.

    First the service calls itself not ready and goes on for the drain delay; then it accepts no more and waits for
    calls in flight during the grace period; those that are left then are ended, each with its answer. A second signal
    ends them at once, a third one everything.

    Args:
        app: what to serve.
        listener: a socket that listens.
        settings: the times.
        ready: called once requests are answered.
        drain: called at the first signal.
        end_calls: called to end the calls in flight.
        signals: what ends the service; SIGTERM and SIGINT, unless somebody else hears of them for it.
    """
    # For the connections that it accepts. asyncio sees to that only where a socket names its protocol, which one from
    # `socket.create_server` does not; without it, the end of each answer waits 40 ms for the caller's acknowledgement.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    config = uvicorn.Config(
        app,
        http=impatient_protocol(settings.body_timeout),
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws="none",
    )
    server = _Uvicorn(config, ready)

    async def close() -> None:
        drain()
        await anyio.sleep(settings.drain_delay)
        server.should_exit = True
        await anyio.sleep(settings.grace_period)
        await end()

    async def end() -> None:
        end_calls()
        server.should_exit = True
        await anyio.sleep(SECONDS_TO_ANSWER)
        server.force()

    async def heed() -> None:
        steps = iter([close, end])
        async for _ in signals():
            if step := next(steps, None):
                tasks.start_soon(step)
            else:
                server.force()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(heed)
        await server.serve(sockets=[listener])
        tasks.cancel_scope.cancel()


class _Uvicorn(uvicorn.Server):
    """Uvicorn that says when it answers, and leaves the signals to us: it would end the process by the signal."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    def force(self) -> None:
        """End now, whoever is still connected."""
        self.should_exit = self.force_exit = True
        # From Python 3.12.1 on, the end waits for every connection.
        for connection in list(self.server_state.connections):
            connection.transport.abort()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        if sys.platform == "win32":
            with super().capture_signals():
                yield
        else:
            yield
