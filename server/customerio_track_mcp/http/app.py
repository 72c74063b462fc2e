"""The ASGI application: its routes, and the middleware in front of each, outermost first."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final

from mcp.server import Server
from mcp.server.streamable_http_manager import StreamableHTTPASGIApp, StreamableHTTPSessionManager
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from customerio_track_mcp.control.once.idempotency_keys import IDEMPOTENCY_HEADER
from customerio_track_mcp.http.auth.authenticator import Authenticator
from customerio_track_mcp.http.auth.scope_challenge import no_tool, tool_in_body, tool_in_headers
from customerio_track_mcp.http.auth.scopes import METRICS_SCOPE
from customerio_track_mcp.http.health import Readiness, healthz, readyz
from customerio_track_mcp.http.hostnames import transport_security
from customerio_track_mcp.http.middleware.allowed_hosts import AllowedHostsMiddleware, LowercaseHostMiddleware
from customerio_track_mcp.http.middleware.body_limit import BodyLimitMiddleware
from customerio_track_mcp.http.middleware.client_watch import ClientWatchMiddleware
from customerio_track_mcp.http.middleware.concurrency import ConcurrencyLimitMiddleware
from customerio_track_mcp.http.middleware.delivery import DeliveryMiddleware
from customerio_track_mcp.http.middleware.event_stream import EventStreamMiddleware
from customerio_track_mcp.http.middleware.memory_limit import MemoryLimitMiddleware
from customerio_track_mcp.http.middleware.message_format import MessageFormatMiddleware
from customerio_track_mcp.http.middleware.post_only import PostOnlyMiddleware
from customerio_track_mcp.http.middleware.refused_names import RefusedNamesMiddleware
from customerio_track_mcp.http.middleware.request_id import RequestIdMiddleware
from customerio_track_mcp.http.middleware.tool_calls import ToolCallMiddleware
from customerio_track_mcp.instrumentation.metrics import Metrics
from customerio_track_mcp.settings.http import HttpSettings

_CORS_METHODS: Final = ("GET", "POST", "DELETE")
"""GET for the OAuth metadata. MCP accepts POST only, but a browser shows the page the 405 for the others only if the
preflight passes."""
_CORS_HEADERS: Final = (
    "Authorization",
    "Content-Type",
    "MCP-Protocol-Version",
    "Mcp-Method",
    "Mcp-Name",
    "X-Request-Id",
    IDEMPOTENCY_HEADER,
    # Sent by clients with a session or a stream of an older server; ignored.
    "Mcp-Session-Id",
    "Last-Event-ID",
    # Added to each request by a page's instrumentation: https://www.w3.org/TR/trace-context/
    "traceparent",
    "tracestate",
    "baggage",
)


def create_app(
    server: Server[Any],
    settings: HttpSettings,
    host: str,
    *,
    authenticator: Authenticator,
    readiness: Readiness,
    metrics: Metrics,
    traced: bool = False,
) -> Starlette:
    """Create the ASGI application.

    Args:
        server: the MCP server.
        settings: hostnames, origins and limits.
        host: the address that the service listens on.
        authenticator: checks who calls.
        readiness: answers `/readyz`.
        metrics: served at `/metrics`.
        traced: whether to continue callers' traces.
    """
    security = transport_security(host, settings)
    sessions = StreamableHTTPSessionManager(
        server,
        stateless=True,
        json_response=True,  # `EventStreamMiddleware` and `ClientWatchMiddleware` do what else needs an event stream
        security_settings=security,
        max_request_body_size=sys.maxsize,  # limited below; a normalized body may be longer than the one received
    )

    every_route = [Middleware(RefusedNamesMiddleware), *_cors(settings)]
    mcp_route = [
        Middleware(RequestIdMiddleware, metrics.refused, traced=traced),
        Middleware(PostOnlyMiddleware),
        Middleware(LowercaseHostMiddleware),
        *authenticator.require(),
        *authenticator.challenge_scopes(tool_in_headers),
        Middleware(
            ConcurrencyLimitMiddleware, settings.max_in_flight, settings.max_in_flight_per_caller, metrics.in_flight
        ),
        Middleware(MemoryLimitMiddleware, settings.max_request_memory, settings.max_request_memory_per_caller),
        Middleware(ClientWatchMiddleware, settings.body_timeout),
        Middleware(BodyLimitMiddleware, settings.max_body_bytes),
        Middleware(MessageFormatMiddleware),
        *authenticator.challenge_scopes(tool_in_body),
        Middleware(EventStreamMiddleware),
        Middleware(DeliveryMiddleware),
        Middleware(ToolCallMiddleware, server, security),
        # Then the SDK, which checks Host and Origin (`security`).
    ]
    metrics_route = [
        *authenticator.require(METRICS_SCOPE),
        *authenticator.challenge_scopes(no_tool),
        Middleware(AllowedHostsMiddleware, security),
    ]

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        del app
        async with sessions.run():
            yield

    mcp = Route(settings.path, StreamableHTTPASGIApp(sessions), middleware=mcp_route)
    app = _Application(
        mcp,
        every_route,
        routes=[
            mcp,
            # The same application, so that both share the limits. The paths for operators get no second form: a proxy
            # that hides `/metrics` may not hide `/metrics/`.
            Route(f"{settings.path.rstrip('/')}/", mcp.app),
            Route("/metrics", metrics.app(), methods=["GET"], middleware=metrics_route),  # and HEAD
            Route("/healthz", healthz),
            Route("/readyz", readyz(readiness)),
            *authenticator.metadata_routes,
        ],
        lifespan=lifespan,
    )
    # Starlette's redirect would repeat whatever Host the request contains: https://github.com/Kludex/starlette/issues/2748
    app.router.redirect_slashes = False
    return app


class _Application(Starlette):
    """The application behind the middleware of every route. Calls do not pass Starlette's own middleware and routing.

    Args:
        mcp: a route that is also served with a slash at the end.
        every_route: the middleware of every route, outermost first.
        starlette: Starlette's arguments.
    """

    def __init__(self, mcp: Route, every_route: Sequence[Middleware], **starlette: Any) -> None:
        super().__init__(**starlette)
        self._mcp = mcp.app
        self._mcp_paths = {mcp.path, f"{mcp.path.rstrip('/')}/"}
        self._serve: ASGIApp = self._dispatch
        for middleware in reversed(every_route):
            self._serve = middleware.cls(self._serve, *middleware.args, **middleware.kwargs)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self._serve(scope, receive, send)

    async def _dispatch(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["path"] in self._mcp_paths:
            await self._mcp(scope, receive, send)
        else:
            await super().__call__(scope, receive, send)


def _cors(settings: HttpSettings) -> list[Middleware]:
    if not settings.allowed_origins:
        return []
    return [
        Middleware(
            CORSMiddleware,
            allow_origins=sorted(settings.allowed_origins),
            allow_methods=_CORS_METHODS,
            allow_headers=_CORS_HEADERS,
            expose_headers=["X-Request-Id", "WWW-Authenticate", "Retry-After"],
        )
    ]
