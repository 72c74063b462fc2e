"""Timeouts against slow clients, which uvicorn lacks.

A client has a limited time to send a request's head, to send the rest of a request that was answered before it was
complete, and to receive a response. (For the body of a request that is being read, see `middleware.body_timeout`.)
Between a response and the first byte of the next request, a connection is kept longer, unless there are many.
"""

from __future__ import annotations

import asyncio
from typing import Final

import h11

from customerio_track_mcp.http.small_reads import SmallReadsH11Protocol

CROWDED: Final = 0.5
"""The part of the maximum of connections beyond which a connection is not kept longer than one without a response."""


def timeout_protocol(seconds: float, keep_alive: float, max_connections: int) -> type[SmallReadsH11Protocol]:
    """Return uvicorn's HTTP protocol class with these timeouts.

    It overrides internal methods of `H11Protocol` and reads its h11 connection state, since uvicorn has no option for
    them. It can go when uvicorn times out a request's head (https://github.com/Kludex/uvicorn/issues/157) and a
    response that is not received.

    Args:
        seconds: for each of them.
        keep_alive: seconds between a response and the first byte of the next request.
        max_connections: beyond `CROWDED` of them, `keep_alive` is at most `seconds`: else whoever sends one request on
            each of many connections could take all places for that long.
    """

    class TimeoutH11Protocol(SmallReadsH11Protocol):
        _read_timer: asyncio.TimerHandle | None = None
        _write_timer: asyncio.TimerHandle | None = None

        def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
            super().connection_made(transport)
            self._update_read_timer()

        def data_received(self, data: bytes) -> None:
            super().data_received(data)
            self._update_read_timer()

        def on_response_complete(self) -> None:
            is_crowded = len(self.connections) > CROWDED * max_connections
            # uvicorn declares an int, and adds it to the loop's time.
            self.timeout_keep_alive = min(keep_alive, seconds) if is_crowded else keep_alive  # type: ignore[assignment]
            super().on_response_complete()
            self._update_read_timer()
            if self.transport.get_write_buffer_size():
                self._start_write_timer()

        def pause_writing(self) -> None:
            super().pause_writing()
            self._start_write_timer()

        def resume_writing(self) -> None:
            super().resume_writing()
            self._cancel_write_timer()
            if self.transport.get_write_buffer_size():
                self._start_write_timer()

        def connection_lost(self, exc: Exception | None) -> None:
            super().connection_lost(exc)
            self._cancel_read_timer()
            self._cancel_write_timer()

        def _update_read_timer(self) -> None:
            state = self.conn.their_state
            responded = self.cycle is not None and self.cycle.response_complete
            if state is h11.IDLE:
                # uvicorn's timer for this runs only from a response on, and until anything is received.
                is_awaited = self.timeout_keep_alive_task is None or bool(self.conn.trailing_data[0])
            else:
                is_awaited = state is h11.SEND_BODY and responded
            if not is_awaited:
                self._cancel_read_timer()
            elif self._read_timer is None and not self.transport.is_closing():
                self._read_timer = self.loop.call_later(seconds, self.transport.close)

        def _cancel_read_timer(self) -> None:
            if self._read_timer is not None:
                self._read_timer.cancel()
                self._read_timer = None

        def _start_write_timer(self) -> None:
            if self._write_timer is None:
                self._write_timer = self.loop.call_later(seconds, self._on_write_timeout)

        def _on_write_timeout(self) -> None:
            self._write_timer = None
            if self.transport.get_write_buffer_size():
                self.transport.abort()

        def _cancel_write_timer(self) -> None:
            if self._write_timer is not None:
                self._write_timer.cancel()
                self._write_timer = None

    return TimeoutH11Protocol
