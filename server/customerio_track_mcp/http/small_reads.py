"""uvicorn's HTTP protocol with a bounded buffer per connection."""

from __future__ import annotations

import asyncio
from typing import Final

from uvicorn.protocols.http.h11_impl import H11Protocol

READ_BYTES: Final = 16_384
"""Bytes that are received at once. asyncio's default is 256 KiB, which every connection may send before a token is
checked. With what uvicorn keeps before it stops reading, 64 KiB, a connection takes at most 80 KiB."""


class SmallReadsH11Protocol(H11Protocol, asyncio.BufferedProtocol):
    """Receives `READ_BYTES` at once, and drops what is left of a request's body once it is answered.

    uvicorn has no option for the former, and keeps the latter until the next request on the connection.
    """

    _buffer = bytearray()

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
