"""Whether the process is alive (`/healthz`), and whether it should receive calls (`/readyz`).

Both answer without authentication, and so only yes or no, and whether this is a dry run; the reason is logged.

A replica is not ready if no call of its could succeed while other replicas' might: its credentials or its region are
wrong, or it drains. A Track API that is away is the same for every replica. Taking all of them out would only replace
the documented failure by a load balancer's.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import anyio
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from customerio_track_mcp.track import (
    MissingCredentialsError,
    RedirectedError,
    Region,
    RequestFailedError,
    TrackClient,
    TrackError,
    UnauthorizedError,
)

logger = logging.getLogger("customerio_track_mcp.http")

_VALID_SECONDS: Final = {True: 10.0, False: 2.0}


@dataclass(frozen=True, slots=True, kw_only=True)
class ProbeResult:
    """What the Track API says about the credentials.

    Attributes:
        rejected: why no call can succeed with these settings; empty if calls can.
        away: why the Track API gave no verdict; empty if it did.
    """

    rejected: str = ""
    away: str = ""


class Readiness:
    """Whether the service should receive calls. The probe runs at most once every few seconds.

    Args:
        probe: asks the Track API about the credentials.
        on_upstream: called with whether the Track API gave a verdict, when that changes.
        is_dry_run: whether no call reaches the Track API.
    """

    def __init__(
        self,
        probe: Callable[[], Awaitable[ProbeResult]],
        on_upstream: Callable[[bool], None] = lambda _: None,
        *,
        is_dry_run: bool = False,
    ) -> None:
        self.is_dry_run = is_dry_run
        self._probe = probe
        self._on_upstream = on_upstream
        self._draining = False
        self._rejected = ""
        self._away = ""
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
                self._use(await self._probe())
        return not self._draining and not self._rejected

    def _use(self, result: ProbeResult) -> None:
        self._valid_until = anyio.current_time() + _VALID_SECONDS[result == ProbeResult()]
        if bool(result.away) != bool(self._away):
            self._on_upstream(not result.away)
            if result.away:
                logger.warning("upstream away", extra={"reason": result.away})
            else:
                logger.warning("upstream back")
        self._away = result.away
        if result.away:
            return  # which says nothing about the credentials: the last verdict stays
        if result.rejected and result.rejected != self._rejected:
            logger.warning("not ready", extra={"reason": result.rejected})
        elif self._rejected and not result.rejected:
            logger.warning("ready again")
        self._rejected = result.rejected


async def probe_upstream(client: TrackClient, region: Region | None) -> ProbeResult:
    """Return whether the tools can work, with the reason in a few words if they cannot.

    Args:
        client: asks the Track API whether it accepts the credentials.
        region: the region that the workspace must be in; None to accept any.
    """
    try:
        body = (await client.find_region()).body
    except MissingCredentialsError as error:
        return ProbeResult(rejected=type(error).__name__)
    except RequestFailedError as error:
        reason = f"{type(error).__name__} {error.status or ''}".strip()
        is_verdict = isinstance(error, UnauthorizedError) or (
            isinstance(error, RedirectedError) and error.region is not None
        )
        return ProbeResult(rejected=reason) if is_verdict else ProbeResult(away=reason)
    except TrackError as error:
        return ProbeResult(away=type(error).__name__)
    found = str(body.get("region", "")).upper()
    if found not in list(Region):
        return ProbeResult(away="NoRegion")  # from something else than the Track API
    return ProbeResult(rejected="WrongRegion" if region not in (None, found) else "")


async def no_probe() -> ProbeResult:
    """Return that calls can succeed, without asking: those of a dry run reach nothing that could reject them."""
    return ProbeResult()


async def healthz(request: Request) -> Response:
    """Respond that the process is alive."""
    del request
    return PlainTextResponse("ok\n")


def readyz(readiness: Readiness) -> Callable[[Request], Awaitable[Response]]:
    """Return an endpoint that responds 200 or 503."""

    ready = "ready (dry run: the Track API is not asked)\n" if readiness.is_dry_run else "ready\n"

    async def respond(request: Request) -> Response:
        del request
        return PlainTextResponse(ready) if await readiness.is_ready() else PlainTextResponse("not ready\n", 503)

    return respond
