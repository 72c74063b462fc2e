"""Limits per caller: who a request counts for, and the response to a request beyond a limit."""

from __future__ import annotations

from collections import Counter
from typing import Final

from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from starlette.responses import JSONResponse, Response
from starlette.types import Scope

CallerKey = tuple[str | None, ...]

_BUSY: Final = -32000
"""The first of the JSON-RPC error codes that are reserved for servers."""


class CallerTotals:
    """A number for each caller, and their sum, which is kept so that it need not be computed for each request.

    Attributes:
        total: the sum.
    """

    def __init__(self) -> None:
        self._of_callers: Counter[CallerKey] = Counter()
        self.total = 0

    def of(self, caller: CallerKey) -> int:
        """Return the number of a caller."""
        return self._of_callers[caller]

    def add(self, caller: CallerKey, change: int) -> None:
        """Change the number of a caller, of whom nothing is kept if it becomes 0."""
        self.total += change
        self._of_callers[caller] += change
        if not self._of_callers[caller]:
            del self._of_callers[caller]


def caller_key(scope: Scope) -> CallerKey:
    """Return what identifies the caller of a request; without authentication, all callers are one."""
    user = scope.get("user")
    if not isinstance(user, AuthenticatedUser):
        return ("",)
    issuer = (user.access_token.claims or {}).get("iss")
    return (issuer, user.access_token.subject if issuer else user.access_token.client_id)


def busy(reason: str) -> Response:
    """Return a 429 that is also a JSON-RPC error, whose text the SDK's client passes to the model.

    Args:
        reason: what is in flight, and its maximum.
    """
    message = f"Nothing was sent: {reason}. Wait a second and call again."
    error = {"jsonrpc": "2.0", "id": None, "error": {"code": _BUSY, "message": message}}
    return JSONResponse(error, 429, headers={"Retry-After": "1"})
