"""Deadlines for a connection, which uvicorn lacks: none of its own time-outs ends what a caller draws out.

A caller has so many seconds to send a request's head, to send what is left of a request that was answered before it
was complete, and to take an answer. (The body of a request that is being read has its own, in `admission`.)
"""

from __future__ import annotations

import asyncio

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol


def impatient_protocol(seconds: float) -> type[H11Protocol]:
    """Uvicorn's protocol for HTTP, with those deadlines.

    Args:
        seconds: for each of them.
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
            if self.transport.get_write_buffer_size():
                self._watch_writing()

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
