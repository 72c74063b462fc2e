"""uvicorn's HTTP protocol with a bounded buffer per connection."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, Final

import h11

from customerio_track_mcp.http.request_parser import RequestParser
from customerio_track_mcp.http.transport_in_scope import TransportInScopeH11Protocol

READ_BYTES: Final = 16_384
"""Bytes that are received at once. asyncio's default is 256 KiB, which every connection may send before a token is
checked. With what uvicorn keeps before it stops reading, 64 KiB, a connection takes at most 80 KiB."""


class SmallReadsH11Protocol(TransportInScopeH11Protocol, asyncio.BufferedProtocol):
    """Receives `READ_BYTES` at once, and drops what is left of a request's body when the response is complete.

    uvicorn has no option for the former, and keeps the latter until the next request on the connection. This overrides
    an internal method of `H11Protocol`; it can go when uvicorn limits what a connection takes
    (https://github.com/Kludex/uvicorn/issues/157).

    Args:
        on_invalid_request: called for each request that is not valid HTTP.
        uvicorn: uvicorn's arguments.
    """

    _buffer = bytearray()

    def __init__(self, on_invalid_request: Callable[[], None], **uvicorn: Any) -> None:
        super().__init__(**uvicorn)
        self._on_invalid_request = on_invalid_request
        self.conn = RequestParser(self._reject)

    def get_buffer(self, sizehint: int) -> bytearray:
        """Return a buffer to receive into; called by asyncio."""
        del sizehint
        self._buffer = bytearray(READ_BYTES)
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Handle what was received into the buffer; called by asyncio."""
        data = bytes(memoryview(self._buffer)[:nbytes])
        self._buffer = bytearray()
        self.data_received(data)

    def on_response_complete(self) -> None:
        """Handle the end of a response; called by uvicorn."""
        self.cycle.body = bytearray()
        super().on_response_complete()

    def _reject(self) -> None:
        self._on_invalid_request()
        if self.cycle is not None:  # the application can respond no more
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        if self.conn.our_state in (h11.IDLE, h11.SEND_RESPONSE):
            self.send_400_response("Invalid HTTP request received.")
        else:  # uvicorn would fail with a traceback in the log: the response has already been sent
            self.transport.close()

    def _unsupported_upgrade_warning(self) -> None:
        """Log nothing: such a request is served without the upgrade, and anybody can send any number of them."""
