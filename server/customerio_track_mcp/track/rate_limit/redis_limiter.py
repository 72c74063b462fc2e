"""A rate limiter shared through Redis by every process that writes to a workspace.

It needs the packages `limits` and `redis` (the extra `redis`), so it is imported only if a shared limit is configured.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from typing import Final

import anyio
from limits import RateLimitItem, RateLimitItemPerSecond
from limits.aio.strategies import SlidingWindowCounterRateLimiter

from customerio_track_mcp.redis_access.availability import Availability
from customerio_track_mcp.redis_access.connections import RESPONSE_TIMEOUT, redis_connections
from customerio_track_mcp.redis_access.limits_storage import limits_storage
from customerio_track_mcp.redis_access.reconnection import Reconnection
from customerio_track_mcp.track.rate_limit.base import RateLimiter
from customerio_track_mcp.track.validation.numbers import require_positive

logger = logging.getLogger("customerio_track_mcp.track")

_PERMIT_LIFETIME: Final = 0.5
"""Seconds within which permits must be used: later, they would exceed the limit of another second."""


class RedisRateLimiter:
    """Limits the requests of all processes with the same `key` together.

    Redis itself counts the window, so the clocks of the machines do not need to agree. If Redis does not respond, or
    responds with anything but a permit or a refusal, the fallback limits this process, and Redis is asked again after
    two seconds; no request fails because of it. The log reports once that Redis is lost, and once that it is back.

    Args:
        url: where Redis is; see `redis_connections`.
        key: what the processes have in common; it is stored in Redis as it is.
        requests_per_second: the limit for all of them.
        fallback: limits this process to its share.
        on_change: called with whether the limit is shared, at the first request and at every change.

    Raises:
        ValueError: the URL cannot be used, and the message does not repeat any part of it; or `requests_per_second` is
            not a finite number above 0.
    """

    def __init__(
        self,
        url: str,
        key: str,
        requests_per_second: float,
        fallback: RateLimiter,
        on_change: Callable[[bool], None] = lambda _: None,
    ) -> None:
        require_positive("requests_per_second", requests_per_second)
        connections = redis_connections(url)
        self._reconnection = Reconnection(connections)
        self._storage = limits_storage(url, connections)
        self._window = SlidingWindowCounterRateLimiter(self._storage)
        self._item = _per_window(requests_per_second)
        self._key = key
        self._poll_interval = min(0.1, max(0.005, 1 / requests_per_second))
        self._fallback = fallback
        self._redis = Availability(
            lambda error: logger.warning(
                "rate budget storage lost: this process keeps to its share", extra={"error": error}
            ),
            lambda: logger.warning("rate budget storage is back: the budget is shared again"),
            on_change,
        )
        self._inspect_at = -math.inf
        self._waiting = 0
        self._permits, self._permits_end = 0, -math.inf
        self._max_batch = max(1, self._item.amount // 10)
        # Requests of one process are served in order, with one question to Redis at a time.
        self._lock = anyio.Lock()

    async def acquire(self) -> None:
        """Return when the next request may be sent."""
        self._waiting += 1
        try:
            async with self._lock:
                if not await self._take_shared_permit():
                    # Inside the lock: those who wait here must not exceed the shared limit when Redis is back.
                    await self._fallback.acquire()
        finally:
            self._waiting -= 1

    async def _take_shared_permit(self) -> bool:
        """Wait for a permit of the shared limit; return False if Redis is lost."""
        while self._redis.is_worth_asking:
            if self._permits and anyio.current_time() < self._permits_end:
                self._permits -= 1
                return True
            # Several at once, for the requests that wait: a distant Redis would otherwise cost a round trip for each.
            wanted = min(self._waiting, self._max_batch)
            try:
                while wanted and not await self._hit(wanted):
                    wanted //= 2
                if not wanted:
                    await self._delete_counters_that_never_expire()
            except Exception as error:  # noqa: BLE001 - what redis-py raises for a malformed response has no common class
                await self._on_lost(error)
                return False
            self._redis.found()
            self._permits, self._permits_end = wanted, anyio.current_time() + _PERMIT_LIFETIME
            if not wanted:
                await anyio.sleep(self._poll_interval)
        return False

    async def _hit(self, cost: int) -> bool:
        # A new connection needs several round trips; each has its own timeout on the socket.
        with anyio.fail_after(8 * RESPONSE_TIMEOUT):
            return await self._window.hit(self._item, self._key, cost=cost)

    async def _delete_counters_that_never_expire(self) -> None:
        """Delete the counters if they outlive two windows, at most once per window: they would refuse every request.

        `limits` always sets an expiry, so somebody else has removed or changed it.
        """
        if anyio.current_time() < self._inspect_at:
            return
        seconds = self._item.get_expiry()
        self._inspect_at = anyio.current_time() + seconds
        key = self._item.key_for(self._key)
        with anyio.fail_after(8 * RESPONSE_TIMEOUT):
            previous, previous_ttl, current, current_ttl = await self._storage.get_sliding_window(key, seconds)
            # A counter counts for one window, and then for another as the previous one.
            if (current and not 0 < current_ttl <= 2 * seconds) or (previous and previous_ttl > seconds):
                logger.warning("rate budget counter had no valid expiry, and was deleted")
                await self._storage.clear_sliding_window(key, seconds)

    async def aclose(self) -> None:
        """Close the connections to Redis. Never raises."""
        await self._reconnection.close_all()

    async def _on_lost(self, error: Exception) -> None:
        self._redis.lost(error)
        await self._reconnection.close_idle()


def _per_window(requests_per_second: float) -> RateLimitItem:
    """Return the limit in whole requests and whole seconds, which is what the window counts; never more than asked.

    A longer window would be closer to a limit such as 2.5, and allow too many requests within one second.
    """
    if requests_per_second >= 1:
        return RateLimitItemPerSecond(math.floor(requests_per_second))
    return RateLimitItemPerSecond(1, math.ceil(1 / requests_per_second))
