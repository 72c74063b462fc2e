"""Whether the process lives (`/healthz`), and whether calls should be sent to it (`/readyz`).

Both answer anybody, and so say no more than yes or no; why not is told in the log.
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

_KEPT_SECONDS: Final = {True: 10.0, False: 2.0}


class Readiness:
    """Whether the service can do its work. The Track API is asked at most once in some seconds.

    Args:
        ask: tells what stands in the way; empty where nothing does.
    """

    def __init__(self, ask: Callable[[], Awaitable[str]]) -> None:
        self._ask = ask
        self._draining = False
        self._in_the_way: str | None = None
        self._valid_until = 0.0
        self._lock = anyio.Lock()

    def drain(self) -> None:
        """Be ready no more, from now on."""
        self._draining = True

    async def is_ready(self) -> bool:
        """Whether calls should be sent here."""
        if self._draining:
            return False
        async with self._lock:
            if not self._draining and anyio.current_time() >= self._valid_until:
                self._know(await self._ask())
        return not self._draining and not self._in_the_way

    def _know(self, in_the_way: str) -> None:
        if in_the_way and in_the_way != self._in_the_way:
            logger.warning("not ready", extra={"reason": in_the_way})
        elif self._in_the_way and not in_the_way:
            logger.warning("ready again")
        self._in_the_way = in_the_way
        self._valid_until = anyio.current_time() + _KEPT_SECONDS[not in_the_way]


async def in_the_way(client: TrackClient, region: Region | None) -> str:
    """What keeps the tools from working, in one word; empty where nothing does.

    Args:
        client: asks the Track API whether it knows the credentials.
        region: where the workspace has to be; None where any will do.
    """
    try:
        answer = (await client.find_region()).body
    except RateLimitedError:
        # It knows us, and the replicas beside us would fare no better.
        return ""
    except RequestFailedError as error:
        return f"{type(error).__name__} {error.status or ''}".strip()
    except TrackError as error:
        return type(error).__name__
    if region is not None and str(answer.get("region", "")).upper() != region:
        return "WrongRegion"
    return ""


async def healthz(request: Request) -> Response:
    """The process answers."""
    del request
    return PlainTextResponse("ok\n")


def readyz(readiness: Readiness) -> Callable[[Request], Awaitable[Response]]:
    """An endpoint that answers 200 or 503."""

    async def answer(request: Request) -> Response:
        del request
        return PlainTextResponse("ready\n") if await readiness.is_ready() else PlainTextResponse("not ready\n", 503)

    return answer
