"""aiohttp's protocol of a connection, with two checks that it lacks: the length of a response, and idle connections.

aiohttp limits each header and the number of headers, but not their sum (8 MiB), interim responses, or the framing of a
body. `BoundedResponseHandler` can go when it does (https://github.com/aio-libs/aiohttp/issues/2638, about the body
alone), and when https://github.com/aio-libs/aiohttp/issues/13656 is fixed, too.
"""

from __future__ import annotations

from typing import Any

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.http_parser import RawResponseMessage
from aiohttp.streams import StreamReader

from customerio_track_mcp.sockets import is_readable
from customerio_track_mcp.track.transports.response_limits import MAX_FRAMED_BODY_BYTES, MAX_HEAD_BYTES


class ResponseTooLongError(aiohttp.ClientPayloadError):
    """A response has more bytes than one of the Track API's can have."""


class BoundedResponseHandler(ResponseHandler):
    """Receives responses of up to `MAX_HEAD_BYTES` and `MAX_FRAMED_BODY_BYTES`.

    Reading a longer one raises `ResponseTooLongError`, and its connection is closed.
    """

    _bytes_left = 0

    def is_connected(self) -> bool:
        """Return whether a connection may be used again: it is open, and nothing was received since its last response.

        aiohttp asks before it uses an idle connection. It would take a response that was sent to one, such as a 408,
        for the next request's. That part can go when https://github.com/aio-libs/aiohttp/issues/13656 is fixed.
        """
        transport = self.transport
        if transport is None or transport.is_closing() or self.should_close:
            return False
        return not is_readable(transport.get_extra_info("socket").fileno())

    def set_response_params(self, **params: Any) -> None:
        """Start to count: a request is about to be sent."""
        self._bytes_left = MAX_HEAD_BYTES
        super().set_response_params(**params)

    def data_received(self, data: bytes) -> None:
        """Parse `data` as far as it is within the limit."""
        while len(data) > self._bytes_left:
            accepted, data = data[: self._bytes_left], data[self._bytes_left :]
            self._bytes_left = 0
            super().data_received(accepted)
            if not self._bytes_left:  # the head is not complete, or the body is too long
                self._reject()
                return
        self._bytes_left -= len(data)
        super().data_received(data)

    def feed_data(self, data: tuple[RawResponseMessage, StreamReader], size: int = 0) -> None:
        """Queue a response for its reader, unless it is an interim one, which means nothing here."""
        if 100 <= data[0].code < 200 and data[0].code != 101:
            return
        self._bytes_left = MAX_FRAMED_BODY_BYTES
        super().feed_data(data, size)

    def _reject(self) -> None:
        error = ResponseTooLongError()
        self.set_exception(error)
        if self._payload is not None:
            self._payload.set_exception(error)
        if self.transport is not None:
            self.transport.abort()
