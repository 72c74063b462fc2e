"""uvicorn's HTTP protocol above httptools, with limits on what a request may consist of."""

from __future__ import annotations

import re
from typing import Any, Final

import httptools
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from customerio_track_mcp.http.invalid_requests import InvalidRequestsMixin
from customerio_track_mcp.http.request_limits import ChunkedBody, InvalidRequestError, check_head, check_trailers

_END_OF_HEAD: Final = b"\r\n\r\n"
_KNOWN_METHODS: Final = frozenset({b"GET", b"HEAD", b"POST", b"PUT", b"PATCH", b"DELETE", b"OPTIONS", b"TRACE"})
"""httptools rejects methods that it does not know, and reads the rest of some that it knows differently."""

_SINGLE_HEADERS: Final = (b"host", b"content-length", b"transfer-encoding")

_UPGRADE_HEADER: Final = re.compile(rb"\r\nupgrade:[^\r\n]*", re.IGNORECASE)


class HttptoolsRequests(InvalidRequestsMixin, HttpToolsProtocol):  # type: ignore[misc]  # the mixin is typed for h11
    """Serves requests that httptools parses.

    httptools parses everything that it is given. uvicorn passes on everything that it receives, so that a client can
    make it keep hundreds of pipelined requests, or a head of any size. Here, the parser gets each head at once when it
    is complete, then the body, and nothing of the next request before the response to this one is complete. It can go
    when uvicorn limits what a connection takes (https://github.com/Kludex/uvicorn/issues/157).
    """

    def __init__(self, **arguments: Any) -> None:
        super().__init__(**arguments)
        self._waiting = b""
        """Part of a head; or what follows a request without a complete response."""
        self._is_body = False
        self._body_left = 0
        """Bytes of a body with `Content-Length` that were not received."""
        self._chunked: ChunkedBody | None = None
        """The body, if it is chunked."""
        self._chunk_bytes = 0
        self._content_bytes = 0
        self._end_of_body = b""
        """The last three bytes of a chunked body that were received."""
        self._is_upgrade = False
        self._is_padded = False
        """Whether white space follows the value of a header, which httptools leaves there."""

    @property
    def is_receiving(self) -> bool:
        """Whether the first part of a request was received, and the rest was not."""
        return self._is_body or bool(self._waiting)

    def data_received(self, data: bytes) -> None:
        """Handle what was received; called by `buffer_updated`."""
        # No head ends in what was searched before.
        searched = max(0, len(self._waiting) - len(_END_OF_HEAD) + 1)
        self._receive(self._waiting + data if self._waiting else data, searched)

    def on_response_complete(self) -> None:
        """Handle the end of a response; called by uvicorn."""
        super().on_response_complete()
        if self._waiting and not self.transport.is_closing():
            self._receive(self._waiting, 0)

    def _receive(self, data: bytes, searched: int) -> None:
        self._unset_keepalive_if_required()
        self._waiting = b""
        position = 0
        while position < len(data):
            is_head = not self._is_body
            if is_head and self.cycle is not None and not self.cycle.response_complete:
                if not self.cycle.keep_alive:  # no further request is read
                    return
                self._waiting = data[position:]
                self.flow.pause_reading()
                return
            try:
                if is_head:
                    position = self._receive_head(data, position, max(position, searched))
                else:
                    position = self._receive_body(data, position)
            except InvalidRequestError as error:
                self.reject(error.status, is_head=is_head)
                return
            except (httptools.HttpParserError, httptools.HttpParserUpgrade):  # the latter for trailers
                self.reject(400, is_head=is_head)
                return

    def _receive_head(self, data: bytes, start: int, searched: int) -> int:
        found = data.find(_END_OF_HEAD, searched)
        if found < 0:
            check_head(data, start, None)
            self._waiting = data[start:]
            return len(data)
        end = found + len(_END_OF_HEAD)
        method = check_head(data, start, end)
        previous = self.cycle
        self._is_body, self._chunked = True, None
        self._is_padded = data.find(b" \r\n", start, end) >= 0 or data.find(b"\t\r\n", start, end) >= 0
        if method in _KNOWN_METHODS:
            self._parse_head(data[start:end])
        else:  # the application rejects it, as with h11
            self._parse_head(b"POST" + data[start + len(method) : end])
            self.cycle.scope["method"] = method.decode("ascii")
        if self.cycle is previous:  # to httptools, the head does not end here
            raise InvalidRequestError
        return end

    def _parse_head(self, head: bytes) -> None:
        try:
            self.parser.feed_data(head)
        except httptools.HttpParserCallbackError:
            if not self._is_upgrade:
                raise
            # httptools takes no body of a request for another protocol, and this one is served without the upgrade.
            self._is_upgrade = False
            self.parser = httptools.HttpRequestParser(self)
            self.parser.feed_data(_UPGRADE_HEADER.sub(b"", head))

    def _receive_body(self, data: bytes, start: int) -> int:
        if self._chunked is None:
            end = min(start + self._body_left, len(data))
            if end == start:  # to httptools, the body does not end here
                raise InvalidRequestError
            self._body_left -= end - start
            self.parser.feed_data(data[start:end])
            return end
        end = self._possible_end(data, start)
        self._content_bytes = 0
        self.parser.feed_data(data[start:end])
        self._chunked.add_bytes(end - start, self._content_bytes)
        if self.headers:
            check_trailers([name for name, _ in self.headers])
        return end

    def _possible_end(self, data: bytes, start: int) -> int:
        """Return where a chunked body can end, so that nothing after it is passed on with it."""
        # It ends with the same bytes as a head, of which some can have been received before.
        before = self._end_of_body
        overlap = before + data[start : start + len(_END_OF_HEAD) - 1]
        if (found := overlap.find(_END_OF_HEAD)) >= 0:
            end = start + found + len(_END_OF_HEAD) - len(before)
        elif (found := data.find(_END_OF_HEAD, start)) >= 0:
            end = found + len(_END_OF_HEAD)
        else:
            end = len(data)
        self._end_of_body = (before + data[max(start, end - len(_END_OF_HEAD)) : end])[1 - len(_END_OF_HEAD) :]
        return end

    def on_headers_complete(self) -> None:
        """Handle the end of a head; called by httptools."""
        headers = dict(self.headers)
        if len(headers) != len(self.headers):
            names = [name for name, _ in self.headers]
            if any(names.count(name) > 1 for name in _SINGLE_HEADERS):
                raise InvalidRequestError
        is_older = self.parser.get_http_version() == "1.0"
        if is_older:
            self.expect_100_continue = False  # an unknown expectation in HTTP/1.0
        elif b"host" not in headers:
            raise InvalidRequestError
        if self.parser.should_upgrade():
            self._is_upgrade = True
            raise InvalidRequestError
        if (coding := headers.get(b"transfer-encoding")) is not None:
            if coding.lower() != b"chunked" or b"content-length" in headers or is_older:
                raise InvalidRequestError
            self._chunked, self._end_of_body = ChunkedBody(), b""
        self._body_left = int(headers.get(b"content-length", 0))
        if self._is_padded:
            self.headers[:] = [(name, value.rstrip(b" \t")) for name, value in self.headers]
        super().on_headers_complete()
        self.headers = []  # trailers are not headers of the request
        self.url = b""  # it is in the scope

    def on_body(self, body: bytes) -> None:
        """Handle a part of the body; called by httptools."""
        self._chunk_bytes += len(body)
        self._content_bytes += len(body)
        super().on_body(body)

    def on_chunk_header(self) -> None:
        """Handle the beginning of a chunk; called by httptools."""
        self._chunk_bytes = 0

    def on_chunk_complete(self) -> None:
        """Handle the end of a chunk; called by httptools."""
        if self._chunked is not None and self._chunk_bytes:
            self._chunked.add_chunk(self._chunk_bytes)

    def on_message_complete(self) -> None:
        """Handle the end of a request; called by httptools."""
        self._is_body = False
        super().on_message_complete()
