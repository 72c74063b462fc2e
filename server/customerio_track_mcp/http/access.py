"""Who may come in, and what they may do there: over the SDK's own checks of bearer tokens and required scopes."""

from __future__ import annotations

import json
from typing import Any, Final
from urllib.parse import urlsplit

from mcp.server import ServerRequestContext
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser, BearerAuthBackend, RequireAuthMiddleware
from mcp.server.auth.provider import AccessToken
from mcp.server.auth.routes import build_resource_metadata_url, create_protected_resource_routes
from pydantic import AnyHttpUrl, ConfigDict, TypeAdapter
from starlette.authentication import AuthenticationError
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from customerio_track_mcp.calls import Caller
from customerio_track_mcp.http.oauth import JwtVerifier
from customerio_track_mcp.http.scopes import METRICS_SCOPE, SCOPE_OF_TOOL, TOOL_SCOPES, tools_of
from customerio_track_mcp.http.settings import HttpSettings
from customerio_track_mcp.http.tokens import StaticTokens

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
        self._required = sorted(settings.required_scopes)
        self._static: StaticTokens | None = None
        self._jwt: JwtVerifier | None = None
        self._metadata_url: AnyHttpUrl | None = None
        self.routes: list[Route] = []
        if settings.tokens is not None or settings.tokens_file is not None:
            given = settings.tokens.get_secret_value() if settings.tokens else None
            self._static = StaticTokens(given, settings.tokens_file)
        if settings.issuer is not None and settings.jwks_url is not None and settings.public_url is not None:
            audience = settings.audience or settings.public_url
            self._jwt = JwtVerifier(settings.issuer, settings.jwks_url, audience, tool_scopes=settings.tool_scopes)
            resource = _EXACT_URL.validate_python(settings.public_url)
            self._metadata_url = build_resource_metadata_url(resource)
            self.routes = _metadata_routes(resource, settings)

    async def verify_token(self, token: str) -> AccessToken | None:
        """Whose token it is, by either way; None where it is nobody's. (The SDK's `TokenVerifier`.)

        Raises:
            AuthenticationError: that can't be told now.
        """
        if self._static is not None and (holder := self._static.verify(token)):
            return holder.model_copy(update={"scopes": sorted({*holder.scopes, *self._required})})
        return await self._jwt.verify(token) if self._jwt is not None else None

    def guard(self, app: ASGIApp) -> ASGIApp:
        """`app`, for those who prove who they are."""
        if not self._authenticates:
            return app
        return self._authenticated(RequireAuthMiddleware(app, self._required, self._metadata_url))

    def step_up(self, app: ASGIApp) -> ASGIApp:
        """`app`, which gets no call of a tool whose scope the caller could ask for and lacks."""
        return _StepUp(app, self._metadata_url) if self._jwt is not None else app

    def guard_metrics(self, app: ASGIApp) -> ASGIApp:
        """`app`, for those whose token lets them read the metrics."""
        if not self._authenticates:
            return app
        return self._authenticated(RequireAuthMiddleware(app, [METRICS_SCOPE]))

    def _authenticated(self, app: ASGIApp) -> ASGIApp:
        return AuthenticationMiddleware(app, backend=BearerAuthBackend(self), on_error=_cannot_tell)


def caller_of(context: ServerRequestContext[Any]) -> Caller:
    """Who makes a request that came over HTTP."""
    request = context.request
    if not isinstance(request, Request):
        return Caller()
    request_id = request.scope["state"]["request_id"]
    user = request.scope.get("user")
    if not isinstance(user, AuthenticatedUser):
        return Caller(request_id=request_id)
    tools = tools_of(user.scopes)
    remedy = f"The caller's token needs the scopes for more: {', '.join(sorted(TOOL_SCOPES - set(user.scopes)))}."
    return Caller(user.access_token.client_id, request_id, None if tools == set(SCOPE_OF_TOOL) else tools, remedy)


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


class _StepUp:
    """Answers 403 to a call of a tool whose scope the caller lacks, so that an OAuth client can ask for more.

    (MCP authorization, "Scope Challenge Handling".) The server itself refuses such a call too, in the tool's payload.
    """

    def __init__(self, app: ASGIApp, metadata_url: AnyHttpUrl | None) -> None:
        self._app = app
        self._metadata_url = metadata_url

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        held = set(scope["user"].scopes)
        if held >= TOOL_SCOPES:
            await self._app(scope, receive, send)
            return
        request = Request(scope, receive)
        body = await request.body()
        lacking = SCOPE_OF_TOOL.get(_tool_called(body))
        if lacking is None or lacking in held:
            await self._app(scope, _replay(body, receive), send)
            return
        wanted = " ".join(sorted({lacking, *held}))
        challenge = f'Bearer error="insufficient_scope", scope="{wanted}", resource_metadata="{self._metadata_url}"'
        told = {"error": "insufficient_scope", "error_description": f"This tool needs the scope {lacking}."}
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
