"""A limit on concurrent requests."""

from __future__ import annotations

from collections.abc import Callable

from starlette.types import ASGIApp, Receive, Scope, Send

from customerio_track_mcp.http.caller_limits import CallerTotals, busy, caller_key


class ConcurrencyLimitMiddleware:
    """Limits the requests in flight, per caller and in total; responds 429 to any beyond.

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
        self._in_flight = CallerTotals()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve an ASGI request."""
        caller = caller_key(scope)
        if self._in_flight.of(caller) >= self._max_per_caller:
            await busy(f"{self._max_per_caller} calls of this caller are already in flight, which is the maximum")(
                scope, receive, send
            )
            return
        if self._in_flight.total >= self._max_in_flight:
            await busy(f"{self._max_in_flight} calls are already in flight, which is the maximum")(scope, receive, send)
            return
        self._in_flight.add(caller, 1)
        self._on_change(self._in_flight.total)
        try:
            await self._app(scope, receive, send)
        finally:
            self._in_flight.add(caller, -1)
            self._on_change(self._in_flight.total)
