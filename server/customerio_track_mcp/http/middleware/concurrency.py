"""How much the service takes on: calls at a time, and the time that a caller has to send one."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any, Final

import anyio
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_BUSY: Final = -32000
"""The first of the JSON-RPC codes that are left to servers."""


class Admission:
    """Bounds the requests in flight, in all and for each caller; over the bound, 429 at once.

    The answer is a JSON-RPC error too, whose text the SDK's client hands to the model.

    Args:
        app: what is guarded.
        most: requests in flight in this process.
        most_per_caller: requests in flight of one caller, or of all who need not say who they are.
        in_flight: told the number at each change.
    """

    def __init__(self, app: ASGIApp, most: int, most_per_caller: int, in_flight: Callable[[int], None]) -> None:
        self._app = app
        self._most = most
        self._most_per_caller = most_per_caller
        self._tell = in_flight
        self._count: Counter[tuple[str | None, ...]] = Counter()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, as ASGI has it."""
        caller = _who(scope)
        if self._count[caller] >= self._most_per_caller:
            await _busy(f"{self._most_per_caller} calls of this caller")(scope, receive, send)
            return
        if self._count.total() >= self._most:
            await _busy(f"{self._most} calls")(scope, receive, send)
            return
        self._count[caller] += 1
        self._tell(self._count.total())
        try:
            await self._app(scope, receive, send)
        finally:
            self._count[caller] -= 1
            if not self._count[caller]:
                del self._count[caller]
            self._tell(self._count.total())


def _who(scope: Scope) -> tuple[str | None, ...]:
    user = scope.get("user")
    if not isinstance(user, AuthenticatedUser):
        return ("",)
    issuer = (user.access_token.claims or {}).get("iss")
    return (issuer, user.access_token.subject if issuer else user.access_token.client_id)


def _busy(what: str) -> Response:
    message = f"Nothing was sent: {what} are in flight already, which is the most. Wait a second and call again."
    error = {"jsonrpc": "2.0", "id": None, "error": {"code": _BUSY, "message": message}}
    return JSONResponse(error, 429, headers={"Retry-After": "1"})


class _TooSlowError(Exception):
    """The request's body did not arrive in time."""


class _GoneError(Exception):
    """The caller left before the request's body was complete."""


class BodyDeadline:
    """Ends the wait for a request's body with 408 where it is too slow to arrive.

    Args:
        app: what reads the body, whole and before it does anything else.
        seconds: for all of it to arrive.
    """

    def __init__(self, app: ASGIApp, seconds: float) -> None:
        self._app = app
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, as ASGI has it."""
        deadline = anyio.current_time() + self._seconds
        complete = False

        async def in_time() -> Message:
            nonlocal complete
            if complete:
                return await receive()
            with anyio.move_on_after(deadline - anyio.current_time()):
                message: dict[str, Any] = dict(await receive())
                if message["type"] != "http.request":
                    raise _GoneError
                complete = not message.get("more_body", False)
                return message
            raise _TooSlowError

        try:
            await self._app(scope, in_time, send)
        except _GoneError:
            return
        except _TooSlowError:
            told = f"The request's body did not arrive within {self._seconds:g} seconds."
            await Response(told, 408, headers={"Connection": "close"}, media_type="text/plain")(scope, receive, send)
