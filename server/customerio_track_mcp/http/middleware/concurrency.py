"""A limit on concurrent requests."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Final

from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

_BUSY: Final = -32000
"""The first of the JSON-RPC error codes that are reserved for servers."""


class ConcurrencyLimitMiddleware:
    """Limits the requests in flight, per caller and in total; responds 429 to any beyond.

    The response is also a JSON-RPC error, whose text the SDK's client passes to the model.

    Args:
        app: the application behind the limit.
        max_in_flight: requests in flight in this process.
        max_per_caller: requests in flight of one caller, or of all callers together without authentication.
        on_change: called with the number of requests in flight when it changes.
    """

    def __init__(self, app: ASGIApp, max_in_flight: int, max_per_caller: int, on_change: Callable[[int], None]) -> None:
        self._app = app
        self._max_in_flight = max_in_flight
        self._max_per_caller = max_per_caller
        self._on_change = on_change
        self._in_flight: Counter[tuple[str | None, ...]] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve an ASGI request."""
        caller = _caller_key(scope)
        if self._in_flight[caller] >= self._max_per_caller:
            await _busy(f"{self._max_per_caller} calls of this caller")(scope, receive, send)
            return
        if self._in_flight.total() >= self._max_in_flight:
            await _busy(f"{self._max_in_flight} calls")(scope, receive, send)
            return
        self._in_flight[caller] += 1
        self._on_change(self._in_flight.total())
        try:
            await self._app(scope, receive, send)
        finally:
            self._in_flight[caller] -= 1
            if not self._in_flight[caller]:
                del self._in_flight[caller]
            self._on_change(self._in_flight.total())


def _caller_key(scope: Scope) -> tuple[str | None, ...]:
    user = scope.get("user")
    if not isinstance(user, AuthenticatedUser):
        return ("",)
    issuer = (user.access_token.claims or {}).get("iss")
    return (issuer, user.access_token.subject if issuer else user.access_token.client_id)


def _busy(limit: str) -> Response:
    message = f"Nothing was sent: {limit} are already in flight, which is the maximum. Wait a second and call again."
    error = {"jsonrpc": "2.0", "id": None, "error": {"code": _BUSY, "message": message}}
    return JSONResponse(error, 429, headers={"Retry-After": "1"})
