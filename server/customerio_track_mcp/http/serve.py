"""One process of the service: uvicorn, and an end in which no call is lost without an answer."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Final

import anyio
import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from customerio_track_mcp.http.settings import HttpSettings
from customerio_track_mcp.signals import on_stop_signal

_SECONDS_TO_ANSWER: Final = 3
"""For the answers to calls that were ended to get to their callers."""


async def serve(
    app: ASGIApp,
    listener: socket.socket,
    settings: HttpSettings,
    *,
    ready: Callable[[], None],
    drain: Callable[[], None],
    end_calls: Callable[[], None],
    parent_gone: Callable[[], Awaitable[None]] = anyio.sleep_forever,
) -> None:
    """Serve until SIGTERM or SIGINT, then let the calls in flight finish.

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
        parent_gone: returns when the process that started this one is no more, which counts as a signal.
    """
    config = uvicorn.Config(
        app,
        http=_impatient(settings.body_timeout),
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws="none",
        timeout_graceful_shutdown=int(settings.grace_period) + 2 * _SECONDS_TO_ANSWER,
    )
    server = _Uvicorn(config, ready)
    signals = 0

    async def close() -> None:
        drain()
        await anyio.sleep(settings.drain_delay)
        server.should_exit = True
        await anyio.sleep(settings.grace_period)
        await end()

    async def end() -> None:
        end_calls()
        server.should_exit = True
        await anyio.sleep(_SECONDS_TO_ANSWER)
        server.force_exit = True

    def on_signal() -> None:
        nonlocal signals
        signals += 1
        if signals <= 2:
            tasks.start_soon(close if signals == 1 else end)
        else:
            server.force_exit = True

    async def watch_parent() -> None:
        await parent_gone()
        on_signal()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(on_stop_signal, on_signal)
        tasks.start_soon(watch_parent)
        await server.serve(sockets=[listener])
        tasks.cancel_scope.cancel()


class _Uvicorn(uvicorn.Server):
    """Uvicorn that says when it answers, and leaves the signals to us: it would end the process by the signal."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

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


def _impatient(seconds: float) -> type[H11Protocol]:
    """Uvicorn's protocol, with the time-out for a request's head that uvicorn lacks."""

    class Impatient(H11Protocol):
        _head_timer: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._wait_for_head()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self._wait_for_head()

        def connection_lost(self, exc: Exception | None) -> None:
            super().connection_lost(exc)
            self._stop_waiting()

        def _wait_for_head(self) -> None:
            if self.conn.their_state is not h11.IDLE:
                self._stop_waiting()
            elif self._head_timer is None and not self.transport.is_closing():
                self._head_timer = self.loop.call_later(seconds, self.transport.close)

        def _stop_waiting(self) -> None:
            if self._head_timer is not None:
                self._head_timer.cancel()
                self._head_timer = None

    return Impatient
