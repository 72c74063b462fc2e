"""Reject requests whose end is ambiguous."""

from __future__ import annotations

from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send


class FramingMiddleware:
    """Responds 400 and closes the connection if a proxy could find the end of the request somewhere else.

    That is so with both `Content-Length` and `Transfer-Encoding`, and with `Transfer-Encoding` in HTTP/1.0: what one
    side takes for the body would be the next request to the other (RFC 9112, section 6.1). h11 accepts both.

    Args:
        app: serves all other requests.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve an ASGI request."""
        if scope["type"] == "http":
            names = [name for name, _ in scope["headers"]]
            if b"transfer-encoding" in names and (b"content-length" in names or scope["http_version"] == "1.0"):
                text = "Invalid request: send either Content-Length, or Transfer-Encoding with HTTP/1.1."
                await PlainTextResponse(text, 400, headers={"Connection": "close"})(scope, receive, send)
                return
        await self._app(scope, receive, send)
