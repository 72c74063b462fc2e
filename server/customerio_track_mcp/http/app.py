"""The ASGI application: the MCP endpoint behind its checks, and what operators ask it.

On the way in, a request to `/mcp` is numbered, asked who makes it, counted against the bounds, given a time to arrive,
and only then handed to the SDK, which reads it whole, and checks Host and Origin before anything else.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final
from urllib.parse import urlsplit

from mcp.server import Server
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp.server.streamable_http_manager import StreamableHTTPASGIApp, StreamableHTTPSessionManager
from mcp.server.transport_security import TransportSecurityMiddleware, TransportSecuritySettings
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from customerio_track_mcp.http.auth.authenticator import Access
from customerio_track_mcp.http.health import Readiness, healthz, readyz
from customerio_track_mcp.http.middleware.concurrency import Admission, BodyDeadline
from customerio_track_mcp.http.middleware.request_id import Correlation
from customerio_track_mcp.instrumentation.metrics import Metrics
from customerio_track_mcp.settings.http import HttpSettings
from customerio_track_mcp.track import is_loopback

PATH: Final = "/mcp"
_EVERY_ADDRESS: Final = ("0.0.0.0", "::")  # noqa: S104 - to compare with
_LOOPBACK: Final = ("127.0.0.1", "localhost", "[::1]")
_CORS_HEADERS: Final = (
    "Authorization",
    "Content-Type",
    "MCP-Protocol-Version",
    "Mcp-Method",
    "Mcp-Name",
    "X-Request-Id",
)


def http_app(
    server: Server[Any],
    settings: HttpSettings,
    host: str,
    *,
    access: Access,
    readiness: Readiness,
    metrics: Metrics,
    traced: bool = False,
) -> Starlette:
    """The ASGI application.

    Args:
        server: the MCP server.
        settings: hosts, origins and limits.
        host: the address that is listened on.
        access: who may come in.
        readiness: answers `/readyz`.
        metrics: answers `/metrics`.
        traced: whether to go on with callers' traces.
    """
    # Answers may be event streams: only so does the SDK notice, in the protocol of 2026, a caller who has left, and
    # cancel the call.
    security = _addressed_to(host, settings)
    sessions = StreamableHTTPSessionManager(
        server,
        stateless=True,
        security_settings=security,
        max_request_body_size=settings.max_body_bytes,
    )
    endpoint: ASGIApp = access.challenge(StreamableHTTPASGIApp(sessions))
    endpoint = BodyDeadline(endpoint, settings.body_timeout)
    endpoint = Admission(endpoint, settings.max_in_flight, settings.max_in_flight_per_caller, metrics.in_flight)
    endpoint = Correlation(_Plain(access.guard(endpoint)), metrics.refused, traced=traced)

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        del app
        async with sessions.run():
            yield

    app = Starlette(
        routes=[
            Route(PATH, endpoint),
            Route("/healthz", healthz),
            Route("/readyz", readyz(readiness)),
            Route("/metrics", access.guard_metrics(_Addressed(metrics.app(), security))),
            *access.routes,
        ],
        middleware=_for_web_pages(settings),
        lifespan=lifespan,
    )
    # A redirect would repeat whatever Host the request names.
    app.router.redirect_slashes = False
    return app


def in_url(host: str) -> str:
    """An address as it stands in a URL."""
    return f"[{host}]" if ":" in host else host


def hosts_answered(host: str, settings: HttpSettings) -> frozenset[str]:
    """The host names to which requests have to be addressed."""
    public = {_authority(settings.public_url)} if settings.public_url else set()
    bound = set() if host in _EVERY_ADDRESS else {in_url(host)}
    return frozenset(name.lower() for name in {*_LOOPBACK, *bound, *settings.allowed_hosts, *public})


def _authority(url: str) -> str:
    """Host and port as a `Host` header has them: without the scheme's own port."""
    parts = urlsplit(url)
    default = {"http": 80, "https": 443}[parts.scheme]
    return in_url(parts.hostname or "") + (f":{parts.port}" if parts.port not in (None, default) else "")


def _addressed_to(host: str, settings: HttpSettings) -> TransportSecuritySettings:
    """Keeps a web page elsewhere from driving the service through somebody's browser."""
    hosts = hosts_answered(host, settings)
    names = (*_LOOPBACK, in_url(host)) if is_loopback(host) else ()
    local = [f"http://{name}{port}" for name in names for port in ("", ":*")]
    return TransportSecuritySettings(
        enable_dns_rebinding_protection=True,
        allowed_hosts=[pattern for name in hosts for pattern in (name, f"{name}:*")],
        allowed_origins=[*local, *settings.allowed_origins],
    )


def _for_web_pages(settings: HttpSettings) -> list[Middleware]:
    if not settings.allowed_origins:
        return []
    return [
        Middleware(
            CORSMiddleware,
            allow_origins=sorted(settings.allowed_origins),
            allow_methods=["POST"],
            allow_headers=list(_CORS_HEADERS),
            expose_headers=["X-Request-Id", "WWW-Authenticate", "Retry-After"],
        )
    ]


class _Addressed:
    """Answers only requests that are addressed to this service, where nobody has to prove who they are.

    (With a token, a scraper may address a replica as it likes: a web page has none.)
    """

    def __init__(self, app: ASGIApp, settings: TransportSecuritySettings) -> None:
        self._app = app
        self._security = TransportSecurityMiddleware(settings)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        known = isinstance(scope.get("user"), AuthenticatedUser)
        refusal = None if known else await self._security.validate_request(Request(scope), is_post=False)
        await (refusal or self._app)(scope, receive, send)


class _Plain:
    """Answers 405 to all but POST: a service without sessions has no stream to open and no session to end.

    The name of the host goes on in small letters, as the list has it.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] != "POST":
            await Response(status_code=405, headers={"Allow": "POST"})(scope, receive, send)
        else:
            headers = [(name, value.lower() if name == b"host" else value) for name, value in scope["headers"]]
            await self._app({**scope, "headers": headers}, receive, send)
