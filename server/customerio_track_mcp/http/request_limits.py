"""What a request may consist of before its headers are read, for both parsers.

A proxy and this service must find the same end of each request, or part of one becomes another caller's next request
(RFC 9112, section 11.2). So what parsers read differently is refused, not interpreted.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Final

MAX_HEAD_BYTES: Final = 65_536
"""Request line and headers. Clients and proxies send 1 to 16 KiB. httptools has no limit of its own."""

MAX_HEADERS: Final = 128
"""Headers of a request, and trailers of its body. Clients and proxies send 10 to 40. A head of 64 KiB can consist of
16 000 headers: they take 2 MB and 15 ms of each connection before a token is checked."""

MAX_SMALL_CHUNKS: Final = 256
"""Chunks of less than `SMALL_CHUNK_BYTES` in one body. Clients send JSON in one piece, or in chunks of kilobytes. A
chunk of one byte takes as long to parse as one of kilobytes: 16 KiB of them block the event loop for 40 ms."""

SMALL_CHUNK_BYTES: Final = 16

MAX_FRAMING_BYTES: Final = 65_536
"""Sizes of chunks, their extensions and trailers, beyond as many bytes as the body has. Clients send neither of the
latter two."""

_FRAMING_HEADERS: Final = frozenset({b"connection", b"content-length", b"transfer-encoding", b"upgrade"})
"""Headers that must not be trailers (RFC 9110, section 6.5.1): httptools applies them to the connection."""

_REQUEST_LINE: Final = re.compile(rb"(?!CONNECT )([!#$%&'*+.^_`|~0-9A-Za-z-]+) /[!-\"$-~]* HTTP/1\.[01]\r\n")
"""The method, the path and query (without `#`), and the version. The other forms of a target, and CONNECT, are for
proxies; they name a hostname that need not be that of the `Host` header."""


class InvalidRequestError(Exception):
    """A request is refused.

    Args:
        status: of the response.
    """

    def __init__(self, status: int = 400) -> None:
        super().__init__(status)
        self.status = status


def check_head(received: bytes, start: int, end: int | None) -> bytes:
    """Check the size of a head, its lines and its request line.

    Args:
        received: what was received.
        start: where the head begins.
        end: where it ends, after the empty line; None if it does not end yet.

    Returns:
        The method; nothing if the head does not end yet.

    Raises:
        InvalidRequestError: it must not be parsed.
    """
    stop = len(received) if end is None else end
    if stop - start > MAX_HEAD_BYTES:
        raise InvalidRequestError(431)
    lines = received.count(b"\n", start, stop)
    if lines > MAX_HEADERS + (1 if end is None else 2):  # the request line, and the empty one at the end
        raise InvalidRequestError(431)
    if lines != received.count(b"\r\n", start, stop):  # one ends with LF alone
        raise InvalidRequestError
    if end is None:
        if received[start] <= 0x20:  # neither this nor the first byte of TLS can begin a request line
            raise InvalidRequestError
        return b""
    if not (request_line := _REQUEST_LINE.match(received, start)):
        raise InvalidRequestError
    return request_line[1]


def check_trailers(names: Collection[bytes]) -> None:
    """Check the trailers of a chunked body.

    Args:
        names: theirs, in lower case.

    Raises:
        InvalidRequestError: there are too many, or one changes how the request is read.
    """
    if len(names) > MAX_HEADERS or not _FRAMING_HEADERS.isdisjoint(names):
        raise InvalidRequestError


class ChunkedBody:
    """What was received of a chunked body, against the limits above."""

    def __init__(self) -> None:
        self._small_chunks = 0
        self._framing_bytes = 0

    def add_chunk(self, size: int) -> None:
        """Count a complete chunk of `size` bytes.

        Raises:
            InvalidRequestError: there are too many small ones.
        """
        self._small_chunks += size < SMALL_CHUNK_BYTES
        if self._small_chunks > MAX_SMALL_CHUNKS:
            raise InvalidRequestError

    def add_bytes(self, received: int, content: int) -> None:
        """Count received bytes, of which `content` are the body's.

        Raises:
            InvalidRequestError: too many of them are not.
        """
        self._framing_bytes += received - 2 * content
        if self._framing_bytes > MAX_FRAMING_BYTES:
            raise InvalidRequestError
