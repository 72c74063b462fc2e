"""Ask an OAuth client for the scope that its token lacks."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Collection

from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.shared.inbound import (
    MCP_METHOD_HEADER,
    MCP_NAME_HEADER,
    MCP_PROTOCOL_VERSION_HEADER,
    decode_header_value,
)
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import AnyHttpUrl
from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from customerio_track_mcp.http.auth.scopes import SCOPE_OF_TOOL, TOOL_SCOPES
from customerio_track_mcp.http.received_body import received_body

NamedTool = Callable[[Scope, Receive], Awaitable[tuple[str | None, Receive]]]
"""Returns the tool that a request names (empty for none, None if it is not known yet), and how to receive the body."""


class ScopeChallengeMiddleware:
    """Responds 403 to a JWT that lacks a scope, so that an OAuth client can request it.

    See MCP authorization, "Scope Challenge Handling". For a tool's scope the MCP server rejects the call too, with the
    tool's payload, which is what a caller with a static token gets.

    Args:
        app: serves requests whose token has the scopes.
        required: the scopes that every JWT needs.
        metadata_url: the protected resource metadata (RFC 9728).
        named_tool: where a call names its tool.
    """

    def __init__(
        self, app: ASGIApp, required: Collection[str], metadata_url: AnyHttpUrl | None, named_tool: NamedTool
    ) -> None:
        self._app = app
        self._required = frozenset(required)
        self._metadata_url = metadata_url
        self._named_tool = named_tool

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve an ASGI request of an authenticated caller."""
        user: AuthenticatedUser = scope["user"]
        granted = set(user.scopes)
        if user.access_token.claims is None or granted >= TOOL_SCOPES | self._required:
            await self._app(scope, receive, send)
            return
        tool, receive = await self._named_tool(scope, receive)
        needed = self._required | {SCOPE_OF_TOOL.get(tool or "", "")} - {""}
        if tool is None or needed <= granted:
            await self._app(scope, receive, send)
            return
        wanted = " ".join(sorted(needed | granted))
        challenge = f'Bearer error="insufficient_scope", scope="{wanted}", resource_metadata="{self._metadata_url}"'
        missing = ", ".join(sorted(needed - granted))
        error = {"error": "insufficient_scope", "error_description": f"The token lacks the scope {missing}."}
        await JSONResponse(error, 403, headers={"WWW-Authenticate": challenge})(scope, receive, send)


async def no_tool(scope: Scope, receive: Receive) -> tuple[str, Receive]:
    """Return that the request is not a tool call; a `NamedTool`."""
    del scope
    return "", receive


async def tool_in_headers(scope: Scope, receive: Receive) -> tuple[str | None, Receive]:
    """Read the tool in the headers of protocol 2026-07-28, before the body is received; a `NamedTool`.

    With 2025-11-25 it is not known before the body is: so that a client is asked once for all scopes that it lacks, it
    is not asked here. The body may name another tool. The SDK rejects that, and `tool_in_body` does not rely on it.
    """
    headers = Headers(scope=scope)
    if headers.get(MCP_PROTOCOL_VERSION_HEADER) not in MODERN_PROTOCOL_VERSIONS:
        return None, receive
    is_call = headers.get(MCP_METHOD_HEADER) == "tools/call"
    return (decode_header_value(headers.get(MCP_NAME_HEADER)) or "" if is_call else ""), receive


async def tool_in_body(scope: Scope, receive: Receive) -> tuple[str, Receive]:
    """Read the tool in the message; a `NamedTool`."""
    del scope
    return _called_tool(received_body(receive).content), receive


def _called_tool(body: bytes) -> str:
    try:
        message = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    if not isinstance(message, dict) or message.get("method") != "tools/call":
        return ""
    params = message.get("params")
    return str(params.get("name")) if isinstance(params, dict) else ""
