"""h11's parser of requests, with limits on headers and chunks, and without a log line for each invalid request."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

import h11

MAX_HEADERS: Final = 128
"""Headers of a request, and trailers of its body. Clients and proxies send 10 to 40. h11 limits only the bytes of a
head, to 32 KiB, which can be 8000 headers: they take 1 MB and 15 ms of each connection before a token is checked."""

MAX_SMALL_CHUNKS: Final = 256
"""Chunks of less than `SMALL_CHUNK_BYTES` in one body. Clients send JSON in one piece, or in chunks of kilobytes. A
chunk of one byte takes as long to parse as one of kilobytes: 16 KiB of them block the event loop for 40 ms."""

SMALL_CHUNK_BYTES: Final = 16

_END_OF_HEAD: Final = re.compile(rb"\n\r?\n")


class RequestParser(h11.Connection):
    """Parses the requests of one connection.

    uvicorn logs a warning for each invalid request and then sends a response, although it may have sent one already.
    Here, an invalid request is passed to `on_invalid` instead.

    Args:
        on_invalid: called once, and then the connection must be closed.
    """

    def __init__(self, on_invalid: Callable[[], None]) -> None:
        super().__init__(h11.SERVER)
        self._on_invalid = on_invalid
        self._small_chunks = 0

    def next_event(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        """Return the next part of a request, or that there is none yet."""
        try:
            if self.their_state is h11.IDLE:
                self._check_head()
            event = super().next_event()
            self._check_body(event)
        except h11.RemoteProtocolError:
            self._on_invalid()
            return h11.NEED_DATA
        return event

    def _check_head(self) -> None:
        received, _ = self.trailing_data
        end = _END_OF_HEAD.search(received)
        lines = received.count(b"\n", 0, end.start() + 1 if end else len(received))
        if lines > 1 + MAX_HEADERS:  # the first line is the method and the path
            raise h11.RemoteProtocolError("too many headers", error_status_hint=431)

    def _check_body(self, event: object) -> None:
        if isinstance(event, h11.Request):
            self._small_chunks = 0
        elif isinstance(event, h11.Data) and event.chunk_start and event.chunk_end:
            self._small_chunks += len(event.data) < SMALL_CHUNK_BYTES
            if self._small_chunks > MAX_SMALL_CHUNKS:
                raise h11.RemoteProtocolError("too many small chunks")
        elif isinstance(event, h11.EndOfMessage) and len(event.headers) > MAX_HEADERS:
            raise h11.RemoteProtocolError("too many trailers")
