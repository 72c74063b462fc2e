"""The body of a request, received once for all applications that read it."""

from __future__ import annotations

from mcp_types import JSONRPCRequest
from starlette.types import Message, Receive


class ReceivedBody:
    """A complete body, as the `receive` of the applications behind the middleware that has received it.

    Attributes:
        content: the body.
        rest: receives what follows it: that the client has left.
    """

    __slots__ = ("_is_received", "_request", "content", "rest")

    def __init__(self, content: bytes, rest: Receive, request: JSONRPCRequest | None = None) -> None:
        self.content = content
        self.rest = rest
        self._request = request
        self._is_received = False

    async def __call__(self) -> Message:
        """Receive the body as one message, and then what follows it."""
        if self._is_received:
            return await self.rest()
        self._is_received = True
        return {"type": "http.request", "body": self.content, "more_body": False}

    def replaced_by(self, content: bytes, request: JSONRPCRequest | None) -> ReceivedBody:
        """Return another body in place of this one, with the request in it, if that was parsed."""
        return ReceivedBody(content, self.rest, request)

    def take_request(self) -> JSONRPCRequest | None:
        """Return the request in the body, if it was parsed, and do not keep it."""
        request, self._request = self._request, None
        return request


def received_body(receive: Receive) -> ReceivedBody:
    """Return the body that `BodyLimitMiddleware` has received.

    Raises:
        TypeError: it is not in front of the caller.
    """
    if not isinstance(receive, ReceivedBody):
        raise TypeError(type(receive).__name__)
    return receive
