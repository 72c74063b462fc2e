"""A limit on the size of a request's body."""

from __future__ import annotations

from typing import Final

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from customerio_track_mcp.http.received_body import ReceivedBody
from customerio_track_mcp.jsonrpc import too_long

_START_BYTES: Final = 2**10  # of a body that is too large, in which the id of the message is searched


class BodyLimitMiddleware:
    """Responds 413 to a request whose body is larger than the maximum, before the rest of it is received.

    The response is a JSON-RPC error. The SDK's `RequestBodyLimitMiddleware` sends text, instead of which the SDK's
    client passes "Server returned an error response" to the model.

    Args:
        app: receives the complete body, a `ReceivedBody`.
        max_bytes: the maximum size.
    """

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self._app = app
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve an ASGI request; `receive` raises an error if the client leaves."""
        declared = _declared_size(scope)
        body, is_complete = b"", False
        if declared <= self._max_bytes:
            body, is_complete = await self._receive(receive)
        if is_complete:
            await self._app(scope, ReceivedBody(body, receive), send)
            return
        error = too_long(body[:_START_BYTES], b"", self._max_bytes).response
        content = error.model_dump_json(exclude_unset=True)
        await Response(content, 413, media_type="application/json")(scope, receive, send)

    async def _receive(self, receive: Receive) -> tuple[bytes, bool]:
        """Return the body, and whether it is complete: not if it is too large."""
        message = await receive()
        body, more = message.get("body", b""), message.get("more_body", False)
        if not more:  # as nearly always
            return body, len(body) <= self._max_bytes
        chunks = bytearray(body)
        while more and len(chunks) <= self._max_bytes:
            message = await receive()
            chunks += message.get("body", b"")
            more = message.get("more_body", False)
        return bytes(chunks), len(chunks) <= self._max_bytes


def _declared_size(scope: Scope) -> int:
    """Return the first `Content-Length`; 0 without one."""
    return next((int(value) for name, value in scope["headers"] if name == b"content-length"), 0)
