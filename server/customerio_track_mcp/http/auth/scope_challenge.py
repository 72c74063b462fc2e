"""Ask an OAuth client for the scope that its token lacks."""

from __future__ import annotations

import json
from collections.abc import Collection

from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from pydantic import AnyHttpUrl
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from customerio_track_mcp.http.auth.scopes import SCOPE_OF_TOOL, TOOL_SCOPES
from customerio_track_mcp.http.replay import replay


class ScopeChallengeMiddleware:
    """Responds 403 to a JWT that lacks a scope, so that an OAuth client can request it.

    See MCP authorization, "Scope Challenge Handling". For a tool's scope the MCP server rejects the call too, with the
    tool's payload, which is what a caller with a static token gets.

    Args:
        app: serves requests whose token has the scopes.
        required: the scopes that every JWT needs.
        metadata_url: the protected resource metadata (RFC 9728).
    """

    def __init__(self, app: ASGIApp, required: Collection[str], metadata_url: AnyHttpUrl | None) -> None:
        self._app = app
        self._required = frozenset(required)
        self._metadata_url = metadata_url

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve an ASGI request of an authenticated caller."""
        user: AuthenticatedUser = scope["user"]
        granted = set(user.scopes)
        if user.access_token.claims is None or granted >= TOOL_SCOPES | self._required:
            await self._app(scope, receive, send)
            return
        body = await Request(scope, receive).body()
        needed = self._required | {SCOPE_OF_TOOL.get(_called_tool(body), "")} - {""}
        if needed <= granted:
            await self._app(scope, replay(body, receive), send)
            return
        wanted = " ".join(sorted(needed | granted))
        challenge = f'Bearer error="insufficient_scope", scope="{wanted}", resource_metadata="{self._metadata_url}"'
        missing = ", ".join(sorted(needed - granted))
        error = {"error": "insufficient_scope", "error_description": f"The token lacks the scope {missing}."}
        await JSONResponse(error, 403, headers={"WWW-Authenticate": challenge})(scope, receive, send)


def _called_tool(body: bytes) -> str:
    try:
        message = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    if not isinstance(message, dict) or message.get("method") != "tools/call":
        return ""
    params = message.get("params")
    return str(params.get("name")) if isinstance(params, dict) else ""
