"""uvicorn's HTTP protocol above h11, with limits on what a request may consist of."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

from customerio_track_mcp.http.invalid_requests import InvalidRequestsMixin
from customerio_track_mcp.http.request_limits import (
    MAX_HEAD_BYTES,
    ChunkedBody,
    InvalidRequestError,
    check_head,
    check_trailers,
)

_END_OF_HEAD: Final = re.compile(rb"\n\r?\n")

_CONTROL_CHARACTERS: Final = bytes({*range(0x20), 0x7F} - set(b"\t\r\n"))

_BODY_HEADER: Final = re.compile(rb"\n(?:content-length:([^\r\n]*)|transfer-encoding:[ \t]*([^\r\n]*))", re.IGNORECASE)

_EXTENSION: Final = rb";(?![;\r])[!#$%&'*+.^_`|~0-9A-Za-z-]*(?:=(?:[!#$%&'*+.^_`|~0-9A-Za-z-]*|\"(?:[^\"\\]|\\.)*\"))?"
_FIRST_LINE: Final = re.compile(rb"(?:\r\n)?([0-9A-Fa-f]+)(?:%b)*\r\n" % _EXTENSION)
"""The line with the size of a chunk, after the end of the chunk before. h11 accepts any extension, and spaces."""


class H11Requests(InvalidRequestsMixin, H11Protocol):
    """Serves requests that h11 parses.

    It replaces `H11Protocol.conn`, since uvicorn has no option for a parser. It can go when uvicorn limits what a
    connection takes (https://github.com/Kludex/uvicorn/issues/157).
    """

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self.conn: RequestParser = RequestParser(self.reject)

    @property
    def is_receiving(self) -> bool:
        """Whether the first part of a request was received, and the rest was not."""
        return self.conn.is_receiving


class RequestParser(h11.Connection):
    """Parses the requests of one connection.

    Args:
        on_invalid: called once with the status of the response, and whether the head is invalid. Then the connection
            must be closed.
    """

    def __init__(self, on_invalid: Callable[..., None]) -> None:
        super().__init__(h11.SERVER, MAX_HEAD_BYTES)
        self._on_invalid = on_invalid
        self._body = ChunkedBody()
        self._chunk_bytes = 0
        self._is_last_chunk = False
        """Whether trailers follow."""
        self._end_of_framing = b""
        """The last two bytes that were received, unless content of a body follows them."""

    @property
    def is_receiving(self) -> bool:
        """Whether the first part of a request was received, and the rest was not."""
        return self.their_state is h11.SEND_BODY or (self.their_state is h11.IDLE and bool(self.trailing_data[0]))

    def receive_data(self, data: bytes) -> None:
        """Add what was received, unless no further request is read."""
        if self.their_state is not h11.MUST_CLOSE:
            super().receive_data(data)

    def next_event(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        """Return the next part of a request, or that there is none yet."""
        if self.their_state is h11.MUST_CLOSE:
            return h11.NEED_DATA
        is_head = self.their_state is h11.IDLE
        try:
            if is_head:
                self._check_head()
            if self.their_state is h11.SEND_BODY:
                return self._next_of_body()
            return super().next_event()
        except InvalidRequestError as error:
            self._on_invalid(error.status, is_head=is_head)
        except h11.RemoteProtocolError:
            self._on_invalid(400, is_head=is_head)
        return h11.NEED_DATA

    def _check_head(self) -> None:
        received, _ = self.trailing_data
        if not received:
            return
        self._body, self._is_last_chunk, self._end_of_framing = ChunkedBody(), False, b""
        end = _END_OF_HEAD.search(received)
        check_head(received, 0, end.end() if end else None)
        if end is None:
            return
        head = received[: end.end()]
        if _is_ambiguous(head):
            raise InvalidRequestError
        # h11 reads equal lengths as one, and accepts both a length and chunks.
        body = _BODY_HEADER.findall(head)
        if len(body) > 1:
            raise InvalidRequestError
        for length, coding in body:
            is_older = head[: head.index(b"\r\n")].endswith(b"1.0")
            if b"," in length or (coding and (coding.lower() != b"chunked" or is_older)):
                raise InvalidRequestError

    def _next_of_body(self) -> h11.Event | type[h11.NEED_DATA] | type[h11.PAUSED]:
        before, _ = self.trailing_data
        event = super().next_event()
        received = len(before) - len(self.trailing_data[0])
        content = len(event.data) if isinstance(event, h11.Data) else 0
        self._body.add_bytes(received, content)
        # A line end can be received in two parts.
        framing = self._end_of_framing + before[: received - content]
        self._end_of_framing = b"" if content else framing[-2:]
        if _is_ambiguous(framing):
            raise InvalidRequestError
        if len(framing) > len(b"\r\n") and not self._is_last_chunk:
            if not (line := _FIRST_LINE.match(framing)):
                raise InvalidRequestError
            self._is_last_chunk = int(line[1], 16) == 0
        if isinstance(event, h11.Data):
            self._chunk_bytes += content
            if event.chunk_end:
                self._body.add_chunk(self._chunk_bytes)
                self._chunk_bytes = 0
        elif isinstance(event, h11.EndOfMessage):
            check_trailers([name for name, _ in event.headers])
        return event


def _is_ambiguous(lines: bytes) -> bool:
    """Return whether heads, lines of chunks or trailers contain what h11 accepts and httptools does not.

    That is line ends without CR or LF, a header of several lines, and control characters.
    """
    line_ends = lines.count(b"\r\n")
    return (
        lines.count(b"\n") != line_ends
        or lines.count(b"\r") - lines.endswith(b"\r") != line_ends
        or b"\n " in lines
        or b"\n\t" in lines
        or len(lines.translate(None, _CONTROL_CHARACTERS)) != len(lines)
    )
