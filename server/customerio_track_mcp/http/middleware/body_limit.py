"""A limit on the size of a request's body."""

from __future__ import annotations

from typing import Final

from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from customerio_track_mcp.http.replay import replay
from customerio_track_mcp.jsonrpc import too_long

_START_BYTES: Final = 2**10  # of a body that is too large, in which the id of the message is searched


class BodyLimitMiddleware:
    """Responds 413 to a request whose body is larger than the maximum, before the rest of it is received.

    The response is a JSON-RPC error. The SDK's `RequestBodyLimitMiddleware` sends text, instead of which the SDK's
    client passes "Server returned an error response" to the model.

    Args:
        app: receives the complete body in one message.
        max_bytes: the maximum size.
    """

    def __init__(self, app: ASGIApp, max_bytes: int) -> None:
        self._app = app
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve an ASGI request; `receive` raises an error if the client leaves."""
        body, more = bytearray(), True
        declared = int(Headers(scope=scope).get("content-length", "0"))
        while more and max(declared, len(body)) <= self._max_bytes:
            message = await receive()
            body += message.get("body", b"")
            more = message.get("more_body", False)
        if max(declared, len(body)) <= self._max_bytes:
            await self._app(scope, replay(bytes(body), receive), send)
            return
        error = too_long(bytes(body[:_START_BYTES]), b"", self._max_bytes).response
        content = error.model_dump_json(exclude_unset=True)
        await Response(content, 413, media_type="application/json")(scope, receive, send)
