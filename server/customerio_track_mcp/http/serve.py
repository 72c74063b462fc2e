"""One process of the service: uvicorn, and an end in which no call is lost without an answer."""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from typing import Final

import anyio
import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from customerio_track_mcp.http.settings import HttpSettings
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
    config = uvicorn.Config(
        app,
        http=_impatient(settings.body_timeout),
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


def _impatient(seconds: float) -> type[H11Protocol]:
    """Uvicorn's protocol, with the time-outs that uvicorn lacks: none of its own ends what a caller draws out.

    A caller has so many seconds for a request's head, for what is left of a request that was answered before it was
    complete, and to take an answer.
    """

    class Impatient(H11Protocol):
        _head: asyncio.TimerHandle | None = None
        _taking: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._watch_reading()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self._watch_reading()

        def on_response_complete(self) -> None:
            super().on_response_complete()
            self._watch_reading()
            if self.transport.get_write_buffer_size():
                self._watch_writing()

        def pause_writing(self) -> None:
            super().pause_writing()
            self._watch_writing()

        def resume_writing(self) -> None:
            super().resume_writing()
            self._stop_watching_writing()

        def connection_lost(self, exc: Exception | None) -> None:
            super().connection_lost(exc)
            self._stop_watching_reading()
            self._stop_watching_writing()

        def _watch_reading(self) -> None:
            state = self.conn.their_state
            answered = self.cycle is not None and self.cycle.response_complete
            if state is not h11.IDLE and not (state is h11.SEND_BODY and answered):
                self._stop_watching_reading()
            elif self._head is None and not self.transport.is_closing():
                self._head = self.loop.call_later(seconds, self.transport.close)

        def _stop_watching_reading(self) -> None:
            if self._head is not None:
                self._head.cancel()
                self._head = None

        def _watch_writing(self) -> None:
            if self._taking is None:
                self._taking = self.loop.call_later(seconds, self._give_up_writing)

        def _give_up_writing(self) -> None:
            self._taking = None
            if self.transport.get_write_buffer_size():
                self.transport.abort()

        def _stop_watching_writing(self) -> None:
            if self._taking is not None:
                self._taking.cancel()
                self._taking = None

    return Impatient
