"""Whether the process is alive (`/healthz`), and whether it should receive calls (`/readyz`).

Both answer without authentication, and so only yes or no; the reason is logged.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Final

import anyio
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from customerio_track_mcp.track import RateLimitedError, Region, RequestFailedError, TrackClient, TrackError

logger = logging.getLogger("customerio_track_mcp.http")

_VALID_SECONDS: Final = {True: 10.0, False: 2.0}


class Readiness:
    """Whether the service should receive calls. The probe runs at most once every few seconds.

    Args:
        probe: returns why the service is not ready; empty if it is.
    """

    def __init__(self, probe: Callable[[], Awaitable[str]]) -> None:
        self._probe = probe
        self._draining = False
        self._failure: str | None = None
        self._valid_until = 0.0
        self._lock = anyio.Lock()

    def drain(self) -> None:
        """Be not ready from now on."""
        self._draining = True

    async def is_ready(self) -> bool:
        """Return whether the service should receive calls."""
        if self._draining:
            return False
        async with self._lock:
            if not self._draining and anyio.current_time() >= self._valid_until:
                self._set_failure(await self._probe())
        return not self._draining and not self._failure

    def _set_failure(self, failure: str) -> None:
        if failure and failure != self._failure:
            logger.warning("not ready", extra={"reason": failure})
        elif self._failure and not failure:
            logger.warning("ready again")
        self._failure = failure
        self._valid_until = anyio.current_time() + _VALID_SECONDS[not failure]


async def readiness_failure(client: TrackClient, region: Region | None) -> str:
    """Return why the tools cannot work, in a few words; empty if they can.

    Args:
        client: asks the Track API whether it accepts the credentials.
        region: the region that the workspace must be in; None to accept any.
    """
    try:
        body = (await client.find_region()).body
    except RateLimitedError:
        # The credentials are accepted, and other replicas would fare no better.
        return ""
    except RequestFailedError as error:
        return f"{type(error).__name__} {error.status or ''}".strip()
    except TrackError as error:
        return type(error).__name__
    if region is not None and str(body.get("region", "")).upper() != region:
        return "WrongRegion"
    return ""


async def healthz(request: Request) -> Response:
    """Respond that the process is alive."""
    del request
    return PlainTextResponse("ok\n")


def readyz(readiness: Readiness) -> Callable[[Request], Awaitable[Response]]:
    """Return an endpoint that responds 200 or 503."""

    async def respond(request: Request) -> Response:
        del request
        return PlainTextResponse("ready\n") if await readiness.is_ready() else PlainTextResponse("not ready\n", 503)

    return respond
