"""Log which hostnames and origins were refused, and which setting would accept them."""

from __future__ import annotations

import asyncio
import logging
from typing import Final

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from customerio_track_mcp.settings.allow_lists import canonical_hostname, canonical_origin
from customerio_track_mcp.settings.http import HttpSettings

logger = logging.getLogger("customerio_track_mcp.http")

MAX_LOGGED_NAMES: Final = 10
"""In each period. Anybody can send any name."""
PERIOD_SECONDS: Final = 60.0
_INVALID: Final = "invalid"


class RefusedNamesMiddleware:
    """Logs the hostname of each 421, and the origin of each 403 and each preflight request that was refused for it.

    A name is logged once in a period, and only if it has the syntax of one: it is the caller's text.

    Args:
        app: refuses requests.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._logged: set[tuple[str, str]] = set()
        self._period_end = 0.0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve an ASGI request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_and_log(message: Message) -> None:
            if message["type"] == "http.response.start" and message["status"] >= 400:
                self._log_refusal(scope, message["status"], Headers(raw=message["headers"]))
            await send(message)

        await self._app(scope, receive, send_and_log)

    def _log_refusal(self, scope: Scope, status: int, response: Headers) -> None:
        request = Headers(scope=scope)
        if status == 421:
            hostname = canonical_hostname(request.get("host", "")) or _INVALID
            if self._is_new("hostname", hostname):
                fields = {"hostname": hostname, "setting": HttpSettings.variable("allowed_hosts")}
                logger.warning("hostname refused", extra=fields)
            return
        is_preflight = scope["method"] == "OPTIONS" and "access-control-request-method" in request
        given = request.get("origin")
        if given is not None and _is_refusal_of_origin(status, response, is_preflight=is_preflight):
            origin = given if given == "null" else canonical_origin(given) or _INVALID
            if self._is_new("origin", origin):
                fields = {"origin": origin, "setting": HttpSettings.variable("allowed_origins")}
                logger.warning("origin refused", extra=fields)

    def _is_new(self, kind: str, name: str) -> bool:
        """Return whether to log a name, and remember it."""
        now = asyncio.get_running_loop().time()
        if now >= self._period_end:
            self._logged.clear()
            self._period_end = now + PERIOD_SECONDS
        if (kind, name) in self._logged or len(self._logged) >= MAX_LOGGED_NAMES:
            return False
        self._logged.add((kind, name))
        return True


def _is_refusal_of_origin(status: int, response: Headers, *, is_preflight: bool) -> bool:
    """Return whether a request with an origin was refused because of it.

    A browser asks by OPTIONS first, so a page's request seldom gets to a 403. The response to a refused preflight
    request lacks the header that names the origin. The 403 of a missing scope has a challenge.
    """
    if is_preflight:
        return status in (400, 405) and "access-control-allow-origin" not in response
    return status == 403 and "www-authenticate" not in response
