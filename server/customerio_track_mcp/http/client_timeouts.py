"""Timeouts against slow clients, which uvicorn lacks.

A client has a limited time to send a request's head, to send the rest of a request that was answered before it was
complete, and to receive a response. (For the body of a request that is being read, see `middleware.client_watch`.)
Between a response and the first byte of the next request, a connection is kept longer, unless there are many.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import Any, Final

from customerio_track_mcp.http.uvicorn_protocol import UvicornProtocol

CROWDED: Final = 0.5
"""The part of the maximum of connections beyond which a connection is not kept longer than one without a response."""


@dataclass(frozen=True, slots=True)
class ClientTimeouts:
    """How long clients may take.

    Attributes:
        seconds: for a head, for the rest of a request that was answered, and to receive a response.
        keep_alive: seconds between a response and the first byte of the next request.
        crowded_keep_alive: the same if there are more than `crowded` connections: else whoever sends one request on
            each of many connections could take all places for that long.
        crowded: connections.
    """

    seconds: float
    keep_alive: float
    crowded_keep_alive: float
    crowded: float


def client_timeouts(seconds: float, keep_alive: float, max_connections: int) -> ClientTimeouts:
    """Return the timeouts for a maximum of connections."""
    return ClientTimeouts(seconds, keep_alive, min(keep_alive, seconds), CROWDED * max_connections)


class ClientTimeoutsMixin(UvicornProtocol):
    """Closes the connections of slow clients.

    It overrides internal methods of uvicorn's protocol, which has no option for this. It can go when uvicorn times out
    a request's head (https://github.com/Kludex/uvicorn/issues/157) and a response that is not received.

    Args:
        timeouts: how long clients may take.
        arguments: those of the next class.
    """

    def __init__(self, *, timeouts: ClientTimeouts, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._timeouts = timeouts
        self._read_deadline: float | None = None
        # It is not canceled when nothing is awaited any more, nor started again for each request: it waits for the
        # deadline that there is when it fires.
        self._read_timer: asyncio.TimerHandle | None = None
        self._write_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Handle a new connection; called by asyncio."""
        super().connection_made(transport)
        self._update_read_deadline()

    def data_received(self, data: bytes) -> None:
        """Handle what was received; called by `buffer_updated`."""
        super().data_received(data)
        self._update_read_deadline()

    def on_response_complete(self) -> None:
        """Handle the end of a response; called by uvicorn."""
        timeouts = self._timeouts
        is_crowded = len(self.connections) > timeouts.crowded
        # uvicorn declares an int, and adds it to the loop's time.
        self.timeout_keep_alive = timeouts.crowded_keep_alive if is_crowded else timeouts.keep_alive  # type: ignore[assignment]
        super().on_response_complete()
        self._update_read_deadline()
        if self.transport.get_write_buffer_size():
            self._start_write_timer()

    def pause_writing(self) -> None:
        """Handle a full write buffer; called by asyncio."""
        super().pause_writing()
        self._start_write_timer()

    def resume_writing(self) -> None:
        """Handle a write buffer that is not full any more; called by asyncio."""
        super().resume_writing()
        self._cancel_write_timer()
        if self.transport.get_write_buffer_size():
            self._start_write_timer()

    def connection_lost(self, exc: Exception | None) -> None:
        """Handle the end of the connection; called by asyncio."""
        super().connection_lost(exc)
        if self._read_timer is not None:
            self._read_timer.cancel()
            self._read_timer = None
        self._cancel_write_timer()

    def _update_read_deadline(self) -> None:
        is_responded = self.cycle is None or self.cycle.response_complete
        # uvicorn's own timer runs only from a response on, and until anything is received.
        if not is_responded or not (self.timeout_keep_alive_task is None or self.is_receiving):
            self._read_deadline = None
        elif self._read_deadline is None and not self.transport.is_closing():
            self._read_deadline = self.loop.time() + self._timeouts.seconds
            if self._read_timer is None:
                self._read_timer = self.loop.call_at(self._read_deadline, self._on_read_timer)

    def _on_read_timer(self) -> None:
        self._read_timer = None
        if self._read_deadline is None:
            return
        if self.loop.time() < self._read_deadline:
            self._read_timer = self.loop.call_at(self._read_deadline, self._on_read_timer)
        else:
            self.transport.close()

    def _start_write_timer(self) -> None:
        if self._write_timer is None:
            self._write_timer = self.loop.call_later(self._timeouts.seconds, self._on_write_timeout)

    def _on_write_timeout(self) -> None:
        self._write_timer = None
        if self.transport.get_write_buffer_size():
            self.transport.abort()

    def _cancel_write_timer(self) -> None:
        if self._write_timer is not None:
            self._write_timer.cancel()
            self._write_timer = None
