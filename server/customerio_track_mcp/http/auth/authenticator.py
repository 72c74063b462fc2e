"""Who may come in, and what they may do there: over the SDK's own checks of bearer tokens and required scopes."""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import Any, Final
from urllib.parse import urlsplit

from mcp.server import ServerRequestContext
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser, BearerAuthBackend, RequireAuthMiddleware
from mcp.server.auth.provider import AccessToken
from mcp.server.auth.routes import build_resource_metadata_url, create_protected_resource_routes
from mcp.server.transport_security import RequestBodyLimitMiddleware
from pydantic import AnyHttpUrl, ConfigDict, TypeAdapter
from starlette.authentication import AuthenticationError
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from customerio_track_mcp.http.auth.jwks import Keys
from customerio_track_mcp.http.auth.jwt_verifier import JwtVerifier
from customerio_track_mcp.http.auth.scopes import METRICS_SCOPE, SCOPE_OF_TOOL, TOOL_SCOPES, tools_of
from customerio_track_mcp.http.auth.static_tokens import StaticTokens
from customerio_track_mcp.instrumentation.calls import Caller
from customerio_track_mcp.settings.http import HttpSettings

_KEYS_COOLDOWN_SECONDS: Final = 10.0
_METADATA_PATH: Final = "/.well-known/oauth-protected-resource"
_EXACT_URL: Final = TypeAdapter(AnyHttpUrl, config=ConfigDict(url_preserve_empty_path=True))
"""Clients compare an issuer to the letter (RFC 8414, section 3.3): none must gain a slash at its end."""


class Access:
    """The checks that the settings ask for; none where they ask for none.

    Raises:
        BadSettingsError: a token can't be used.
    """

    def __init__(self, settings: HttpSettings) -> None:
        self._authenticates = settings.authenticates
        self._settings = settings
        self._static: StaticTokens | None = None
        self._jwt: JwtVerifier | None = None
        self._metadata_url: AnyHttpUrl | None = None
        self.routes: list[Route] = []
        if settings.tokens is not None or settings.tokens_file is not None:
            given = settings.tokens.get_secret_value() if settings.tokens else None
            self._static = StaticTokens(given, settings.tokens_file)
        if settings.issuer is not None and settings.jwks_url is not None and settings.public_url is not None:
            audience = settings.audience or settings.public_url
            keys = Keys(settings.jwks_url, _KEYS_COOLDOWN_SECONDS)
            self._jwt = JwtVerifier(settings.issuer, keys, audience, tool_scopes=settings.tool_scopes)
            resource = _EXACT_URL.validate_python(settings.public_url)
            self._metadata_url = build_resource_metadata_url(resource)
            self.routes = _metadata_routes(resource, settings)

    async def verify_token(self, token: str) -> AccessToken | None:
        """Whose token it is, by either way; None where it is nobody's. (The SDK's `TokenVerifier`.)

        Raises:
            AuthenticationError: that can't be told now.
        """
        if self._static is not None and (holder := self._static.verify(token)):
            return holder
        return await self._jwt.verify(token) if self._jwt is not None else None

    def guard(self, app: ASGIApp) -> ASGIApp:
        """`app`, for those who prove who they are."""
        return self._authenticated(app, [])

    def guard_metrics(self, app: ASGIApp) -> ASGIApp:
        """`app`, for those whose token lets them read the metrics."""
        return self._authenticated(app, [METRICS_SCOPE])

    def challenge(self, app: ASGIApp) -> ASGIApp:
        """`app`, which gets nothing from a JWT that lacks a scope for it and could be had with it."""
        if self._jwt is None:
            return app
        challenge = _Challenge(app, self._settings.required_scopes, self._metadata_url)
        return RequestBodyLimitMiddleware(challenge, self._settings.max_body_bytes)

    def caller_of(self, context: ServerRequestContext[Any]) -> Caller:
        """Who makes a request that came over HTTP."""
        scope: Scope = context.request.scope if isinstance(context.request, Request) else {}
        request_id = scope.get("state", {}).get("request_id", "")
        user = scope.get("user")
        if not isinstance(user, AuthenticatedUser):
            return Caller(request_id=request_id, tools=frozenset() if self._authenticates else None)
        tools = tools_of(user.scopes)
        remedy = f"The caller's token needs the scopes for more: {', '.join(sorted(TOOL_SCOPES - set(user.scopes)))}."
        return Caller(user.access_token.client_id, request_id, None if tools == set(SCOPE_OF_TOOL) else tools, remedy)

    def _authenticated(self, app: ASGIApp, scopes: list[str]) -> ASGIApp:
        if not self._authenticates:
            return app
        required = RequireAuthMiddleware(app, scopes, self._metadata_url)
        return AuthenticationMiddleware(required, backend=BearerAuthBackend(self), on_error=_cannot_tell)


def _metadata_routes(resource: AnyHttpUrl, settings: HttpSettings) -> list[Route]:
    """The metadata at its place by RFC 9728, after which the resource's path follows, and without that path."""
    routes = create_protected_resource_routes(
        resource_url=resource,
        authorization_servers=[_EXACT_URL.validate_python(settings.issuer)],
        scopes_supported=sorted(settings.required_scopes | (TOOL_SCOPES if settings.tool_scopes else set())),
        resource_name="Customer.io Track API",
    )
    if urlsplit(str(build_resource_metadata_url(resource))).path != _METADATA_PATH:
        routes += [Route(_METADATA_PATH, endpoint=route.endpoint, methods=["GET", "OPTIONS"]) for route in routes]
    return routes


def _cannot_tell(connection: HTTPConnection, error: AuthenticationError) -> Response:
    del connection, error
    told = "The authorization server's keys can't be had at the moment; try again in some seconds."
    return JSONResponse(
        {"error": "temporarily_unavailable", "error_description": told}, 503, headers={"Retry-After": "10"}
    )


class _Challenge:
    """Answers 403 to a JWT that lacks a scope, so that an OAuth client can ask its user for more.

    (MCP authorization, "Scope Challenge Handling".) For a tool's scope the server itself refuses the call too, in the
    tool's payload, which is what the holder of a static token gets.
    """

    def __init__(self, app: ASGIApp, required: Collection[str], metadata_url: AnyHttpUrl | None) -> None:
        self._app = app
        self._required = frozenset(required)
        self._metadata_url = metadata_url

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        user: AuthenticatedUser = scope["user"]
        held = set(user.scopes)
        if user.access_token.claims is None or held >= TOOL_SCOPES | self._required:
            await self._app(scope, receive, send)
            return
        body = await Request(scope, receive).body()
        needed = self._required | {SCOPE_OF_TOOL.get(_tool_called(body), "")} - {""}
        if needed <= held:
            await self._app(scope, _replay(body, receive), send)
            return
        wanted = " ".join(sorted(needed | held))
        challenge = f'Bearer error="insufficient_scope", scope="{wanted}", resource_metadata="{self._metadata_url}"'
        lacking = ", ".join(sorted(needed - held))
        told = {"error": "insufficient_scope", "error_description": f"The token lacks the scope {lacking}."}
        await JSONResponse(told, 403, headers={"WWW-Authenticate": challenge})(scope, receive, send)


def _tool_called(body: bytes) -> str:
    try:
        message = json.loads(body)
    except (ValueError, RecursionError):
        return ""
    if not isinstance(message, dict) or message.get("method") != "tools/call":
        return ""
    params = message.get("params")
    return str(params.get("name")) if isinstance(params, dict) else ""


def _replay(body: bytes, receive: Receive) -> Receive:
    pending = [body]

    async def replayed() -> dict[str, Any]:
        if pending:
            return {"type": "http.request", "body": pending.pop(), "more_body": False}
        return dict(await receive())

    return replayed
