"""The form of the JSON-RPC message in a request's body."""

from __future__ import annotations

from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from customerio_track_mcp.http.received_body import received_body
from customerio_track_mcp.jsonrpc import InvalidMessageError, normalize_message


class MessageFormatMiddleware:
    """Normalizes the message in the body, so that both protocol versions read it as stdio does.

    The response to a body that is not a message is a 400 with a JSON-RPC error.

    Args:
        app: receives the normalized body.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve an ASGI request whose body has been received."""
        body = received_body(receive)
        try:
            normalized, request = normalize_message(body.content)
        except InvalidMessageError as invalid:
            text = invalid.response.model_dump_json(exclude_unset=True)
            await Response(text, 400, media_type="application/json")(scope, receive, send)
            return
        if normalized is not body.content:
            length = str(len(normalized)).encode()
            headers = [(name, length if name == b"content-length" else value) for name, value in scope["headers"]]
            scope = {**scope, "headers": headers}
        body = body.replaced_by(normalized, request)
        await self._app(scope, body, send)
