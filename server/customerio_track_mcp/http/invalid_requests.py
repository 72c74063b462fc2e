"""The response to a request that is not valid HTTP."""

from __future__ import annotations

from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final

from customerio_track_mcp.http.uvicorn_protocol import UvicornProtocol

_TEXT: Final = "Invalid HTTP request received."


class InvalidRequestsMixin(UvicornProtocol):
    """Rejects invalid requests of uvicorn's HTTP protocol, and logs nothing for each: anybody can send any number.

    uvicorn logs a warning for each, and then sends a response, although it may have sent one already.

    Args:
        on_invalid_request: called for each.
        uvicorn: uvicorn's arguments.
    """

    def __init__(self, *, on_invalid_request: Callable[[], None], **uvicorn: Any) -> None:
        super().__init__(**uvicorn)
        self._on_invalid_request = on_invalid_request

    def reject(self, status: int, *, is_head: bool) -> None:
        """Respond, unless a response to this request was started, and close the connection.

        Args:
            status: of the response.
            is_head: whether the head of the request is invalid. If not, a complete response is that to this request.
        """
        self._on_invalid_request()
        is_started = not is_head
        if self.cycle is not None and not self.cycle.response_complete:
            is_started = self.cycle.response_started
            self.cycle.disconnected = True  # the application can respond no more
            self.cycle.message_event.set()
        if not is_started:
            self.transport.write(_response(status))
        self.transport.close()

    def _unsupported_upgrade_warning(self) -> None:
        """Log nothing: such a request is served without the upgrade."""


def _response(status: int) -> bytes:
    head = (
        b"HTTP/1.1 %d %b\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: %d\r\nconnection: close\r\n\r\n"
    )
    return head % (status, HTTPStatus(status).phrase.encode("ascii"), len(_TEXT)) + _TEXT.encode("ascii")
