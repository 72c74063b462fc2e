"""A bounded buffer for each connection."""

from __future__ import annotations

import asyncio
import sys
from typing import Any, Final

from customerio_track_mcp.http.uvicorn_protocol import UvicornProtocol

READ_BYTES: Final = 16_384
"""Bytes that are received at once. asyncio's default is 256 KiB, which every connection may send before a token is
checked. With a head of `request_limits.MAX_HEAD_BYTES`, and the 64 KiB of a body that uvicorn keeps before it stops
reading, a connection takes at most 144 KiB."""


class SmallReadsMixin(UvicornProtocol, asyncio.BufferedProtocol):
    """Receives `READ_BYTES` at once, and drops a request when the response is complete.

    uvicorn has no option for the former, and keeps the latter until the next request on the connection. It can go when
    uvicorn limits what a connection takes (https://github.com/Kludex/uvicorn/issues/157).

    Args:
        buffer: `READ_BYTES`, which all connections of an event loop share.
        arguments: those of the next class.
    """

    def __init__(self, *, buffer: bytearray, **arguments: Any) -> None:
        super().__init__(**arguments)
        # An event loop calls both methods below while it receives for one connection. asyncio's for Windows receives
        # for many connections at a time.
        self._buffer = buffer if sys.platform != "win32" else bytearray(READ_BYTES)

    def get_buffer(self, sizehint: int) -> bytearray:
        """Return the buffer to receive into; called by asyncio."""
        del sizehint
        return self._buffer

    def buffer_updated(self, nbytes: int) -> None:
        """Handle what was received into the buffer; called by asyncio."""
        self.data_received(bytes(memoryview(self._buffer)[:nbytes]))

    def on_response_complete(self) -> None:
        """Handle the end of a response; called by uvicorn."""
        self.cycle.body = bytearray()
        self.cycle.scope = self.scope = {}  # type: ignore[typeddict-item]
        self.headers = []
        super().on_response_complete()
