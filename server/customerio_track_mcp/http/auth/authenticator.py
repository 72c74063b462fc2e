"""Who may call, and what they may do: static tokens and JWTs, on top of the SDK's bearer authentication."""

from __future__ import annotations

import json
from typing import Any, Final

from mcp.server import ServerRequestContext
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser, BearerAuthBackend, RequireAuthMiddleware
from mcp.server.auth.provider import AccessToken
from mcp.server.auth.routes import build_resource_metadata_url, create_protected_resource_routes
from pydantic import AnyHttpUrl, ConfigDict, TypeAdapter
from starlette.authentication import AuthenticationError
from starlette.middleware import Middleware
from starlette.middleware.authentication import AuthenticationMiddleware
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route
from starlette.types import Scope

from customerio_track_mcp.control.once.idempotency_keys import IDEMPOTENCY_HEADER
from customerio_track_mcp.http.auth.jwks import JwksCache
from customerio_track_mcp.http.auth.jwt_verifier import JwtVerifier
from customerio_track_mcp.http.auth.scope_challenge import NamedTool, ScopeChallengeMiddleware
from customerio_track_mcp.http.auth.scopes import SCOPE_OF_TOOL, TOOL_SCOPES, tools_of
from customerio_track_mcp.http.auth.static_tokens import StaticAccessToken, StaticTokens
from customerio_track_mcp.http.caller_limits import caller_key
from customerio_track_mcp.instrumentation.calls import Caller
from customerio_track_mcp.settings.http import HttpSettings
from customerio_track_mcp.settings.restrictions import UNRESTRICTED

_IDEMPOTENCY_HEADER: Final = IDEMPOTENCY_HEADER.lower().encode()
_JWKS_COOLDOWN_SECONDS: Final = 10.0
_METADATA_PATH: Final = "/.well-known/oauth-protected-resource"
_EXACT_URL: Final = TypeAdapter(AnyHttpUrl, config=ConfigDict(url_preserve_empty_path=True))
"""Clients compare an issuer exactly (RFC 8414, section 3.3), so no slash may be appended."""


class Authenticator:
    """Checks callers as the settings require.

    Attributes:
        metadata_routes: the protected resource metadata (RFC 9728), if there is an authorization server.

    Raises:
        SettingsError: a token is invalid.
    """

    def __init__(self, settings: HttpSettings) -> None:
        self._settings = settings
        self._static: StaticTokens | None = None
        self._jwt: JwtVerifier | None = None
        self._metadata_url: AnyHttpUrl | None = None
        self.metadata_routes: list[Route] = []
        if settings.tokens is not None or settings.tokens_file is not None:
            given = settings.tokens.get_secret_value() if settings.tokens else None
            self._static = StaticTokens(given, settings.tokens_file)
        if settings.issuer is not None and settings.jwks_url is not None and settings.public_url is not None:
            audience = settings.audience or settings.public_url
            keys = JwksCache(settings.jwks_url, _JWKS_COOLDOWN_SECONDS)
            self._jwt = JwtVerifier(
                settings.issuer,
                keys,
                audience,
                tool_scopes=settings.tool_scopes,
                required_scopes=settings.required_scopes,
            )
            resource = _EXACT_URL.validate_python(settings.public_url)
            self._metadata_url = build_resource_metadata_url(resource)
            self.metadata_routes = _metadata_routes(resource, settings)

    async def verify_token(self, token: str) -> AccessToken | None:
        """Return whose token it is; None if it is not valid. (The SDK's `TokenVerifier`.)

        Raises:
            AuthenticationError: the keys to verify it with are not available.
        """
        if self._static is not None and (access := self._static.verify(token)):
            return access
        return await self._jwt.verify(token) if self._jwt is not None else None

    def require(self, *scopes: str) -> list[Middleware]:
        """Return the middleware, outermost first, that lets only authenticated callers with `scopes` pass."""
        if not self._settings.requires_authentication:
            return []
        return [
            Middleware(AuthenticationMiddleware, backend=BearerAuthBackend(self), on_error=_keys_unavailable),
            Middleware(RequireAuthMiddleware, list(scopes), self._metadata_url),
        ]

    def challenge_scopes(self, named_tool: NamedTool) -> list[Middleware]:
        """Return the middleware, outermost first, that asks a JWT's client for the scopes that it lacks.

        Those are the required scopes of the settings, and the scope of the tool that `named_tool` finds.
        """
        if self._jwt is None:
            return []
        required = self._settings.required_scopes
        return [Middleware(ScopeChallengeMiddleware, required, self._metadata_url, named_tool)]

    def caller_of(self, context: ServerRequestContext[Any]) -> Caller:
        """Return who makes an MCP request that was received over HTTP."""
        scope: Scope = context.request.scope if isinstance(context.request, Request) else {}
        request_id = scope.get("state", {}).get("request_id", "")
        key = _idempotency_key(context.request)
        user = scope.get("user")
        if not isinstance(user, AuthenticatedUser):
            tools = frozenset[str]() if self._settings.requires_authentication else None
            return Caller(request_id=request_id, tools=tools, idempotency_key=key)
        granted = tools_of(user.scopes)
        token = user.access_token
        missing = ", ".join(sorted(TOOL_SCOPES - set(user.scopes)))
        return Caller(
            token.client_id,
            request_id,
            None if granted == set(SCOPE_OF_TOOL) else granted,
            f"To use more, the caller's token needs these scopes: {missing}.",
            json.dumps(caller_key(scope)),
            # A JWT has none of its own: those of the server apply, which its claims cannot widen.
            token.restrictions if isinstance(token, StaticAccessToken) else UNRESTRICTED,
            key,
        )


def _idempotency_key(request: object) -> str | None:
    """Return the value of the header; of several, what a proxy makes of them; None if there is none."""
    headers = request.scope["headers"] if isinstance(request, Request) else ()
    values = [value.decode("latin-1") for name, value in headers if name == _IDEMPOTENCY_HEADER]
    return ", ".join(values) if values else None


def _metadata_routes(resource: AnyHttpUrl, settings: HttpSettings) -> list[Route]:
    """Return the routes of the metadata: where RFC 9728 puts it, followed by the resource's path, and without it.

    A client whose URL ends with a slash looks for it with one. The resource's path may differ from the service's, if a
    proxy changes it; the metadata is served for both.
    """
    (route,) = create_protected_resource_routes(
        resource_url=resource,
        authorization_servers=[_EXACT_URL.validate_python(settings.issuer)],
        scopes_supported=sorted(settings.required_scopes | (TOOL_SCOPES if settings.tool_scopes else set())),
        resource_name="Customer.io Track API",
    )
    paths = dict.fromkeys(path.rstrip("/") for path in (str(resource.path or ""), settings.path, ""))
    return [
        Route(f"{_METADATA_PATH}{path}{slash}", endpoint=route.endpoint, methods=["GET", "OPTIONS"])
        for path in paths
        for slash in ("", "/")
    ]


def _keys_unavailable(connection: HTTPConnection, error: AuthenticationError) -> Response:
    del connection, error
    description = "The keys of the authorization server are not available; try again in a few seconds."
    return JSONResponse(
        {"error": "temporarily_unavailable", "error_description": description}, 503, headers={"Retry-After": "10"}
    )
