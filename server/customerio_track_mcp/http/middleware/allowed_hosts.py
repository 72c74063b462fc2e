"""The `Host` header: normalized for the SDK's check, and checked where the SDK does not."""

from __future__ import annotations

from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.transport_security import TransportSecurityMiddleware, TransportSecuritySettings
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send


class LowercaseHostMiddleware:
    """Converts the `Host` header to lower case, since the SDK compares it case-sensitively.

    Args:
        app: receives the request with the converted header.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve an ASGI request."""
        if any(name == b"host" and value != value.lower() for name, value in scope["headers"]):
            headers = [(name, value.lower() if name == b"host" else value) for name, value in scope["headers"]]
            scope = {**scope, "headers": headers}
        await self._app(scope, receive, send)


class AllowedHostsMiddleware:
    """Rejects requests for other hostnames, unless the caller is authenticated.

    (With a token, a scraper may use any name for a replica: a web page has no token.)

    Args:
        app: serves requests that are accepted.
        settings: the accepted hostnames.
    """

    def __init__(self, app: ASGIApp, settings: TransportSecuritySettings) -> None:
        self._app = app
        self._security = TransportSecurityMiddleware(settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve an ASGI request."""
        authenticated = isinstance(scope.get("user"), AuthenticatedUser)
        refusal = None if authenticated else await self._security.validate_request(Request(scope), is_post=False)
        await (refusal or self._app)(scope, receive, send)
