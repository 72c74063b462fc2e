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
from limits.aio.storage import RedisStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from limits.errors import ConfigurationError, StorageError
from redis.asyncio import ConnectionPool
from redis.exceptions import RedisError

from customerio_track_mcp.track.rate_limit.base import RateLimiter

logger = logging.getLogger("customerio_track_mcp.track")

_RESPONSE_TIMEOUT: Final = 0.25
"""Seconds for each response of Redis: a rate limit must not cost more than what it protects."""
_PERMIT_LIFETIME: Final = 0.5
"""Seconds within which permits must be used: later, they would exceed the limit of another second."""
_RETRY_DELAY: Final = 2.0
"""Seconds before a Redis that did not respond is asked again."""


class RedisRateLimiter:
    """Limits the requests of all processes with the same `key` together.

    Redis itself counts the window, so the clocks of the machines do not need to agree. If Redis does not respond, the
    fallback limits this process, and Redis is asked again after two seconds; no request fails because of it. The log
    reports once that Redis is lost, and once that it is back.

    Args:
        url: `redis://` or `rediss://`, with user, password and database if needed.
        key: what the processes have in common; it is stored in Redis as it is.
        requests_per_second: the limit for all of them.
        fallback: limits this process to its share.
        on_change: called with whether the limit is shared, at the first request and at every change.

    Raises:
        ValueError: the URL is invalid.
    """

    def __init__(
        self,
        url: str,
        key: str,
        requests_per_second: float,
        fallback: RateLimiter,
        on_change: Callable[[bool], None] = lambda _: None,
    ) -> None:
        self._connections, storage = _storage(url)
        self._window = SlidingWindowCounterRateLimiter(storage)
        self._item = _per_window(requests_per_second)
        self._key = key
        self._poll_interval = min(0.1, max(0.005, 1 / requests_per_second))
        self._fallback = fallback
        self._on_change = on_change
        self._shared: bool | None = None
        self._ask_again_at = -math.inf
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
        while anyio.current_time() >= self._ask_again_at:
            if self._permits and anyio.current_time() < self._permits_end:
                self._permits -= 1
                return True
            # Several at once, for the requests that wait: a distant Redis would otherwise cost a round trip for each.
            wanted = min(self._waiting, self._max_batch)
            try:
                while wanted and not await self._hit(wanted):
                    wanted //= 2
            except (StorageError, RedisError, OSError, TimeoutError) as error:
                await self._on_lost(error)
                return False
            self._on_found()
            self._permits, self._permits_end = wanted, anyio.current_time() + _PERMIT_LIFETIME
            if not wanted:
                await anyio.sleep(self._poll_interval)
        return False

    async def _hit(self, cost: int) -> bool:
        # A new connection needs several round trips; each has its own timeout on the socket.
        with anyio.fail_after(8 * _RESPONSE_TIMEOUT):
            return await self._window.hit(self._item, self._key, cost=cost)

    async def aclose(self) -> None:
        """Close the connections to Redis."""
        await self._connections.disconnect()

    async def _on_lost(self, error: Exception) -> None:
        self._ask_again_at = anyio.current_time() + _RETRY_DELAY
        # Reconnect, so that a hostname that now resolves to another server is looked up again.
        with anyio.move_on_after(_RESPONSE_TIMEOUT):
            await self._connections.disconnect()
        if self._shared is not False:
            # The error's text may contain the URL, and with it a password.
            logger.warning("rate budget storage lost: this process keeps to its share", extra={"error": _kind(error)})
            self._set_shared(shared=False)

    def _on_found(self) -> None:
        if not self._shared:
            if self._shared is False:
                logger.warning("rate budget storage is back: the budget is shared again")
            self._set_shared(shared=True)

    def _set_shared(self, *, shared: bool) -> None:
        self._shared = shared
        self._on_change(shared)


def _storage(url: str) -> tuple[ConnectionPool, RedisStorage]:
    try:
        connections: ConnectionPool = ConnectionPool.from_url(
            url, socket_timeout=_RESPONSE_TIMEOUT, socket_connect_timeout=_RESPONSE_TIMEOUT
        )
        # redis-py validates the options of a URL only when it creates a connection.
        connections.make_connection()  # type: ignore[no-untyped-call]
        storage = RedisStorage(
            f"async+{url}",
            implementation="redispy",  # the default expects a pool of coredis: github.com/alisaifee/limits/issues/295
            key_prefix="customerio-track-mcp",
            connection_pool=connections,  # type: ignore[arg-type]  # documented as accepted
        )
    except (TypeError, ConfigurationError) as error:
        raise ValueError("invalid Redis URL") from error
    return connections, storage


def _per_window(requests_per_second: float) -> RateLimitItem:
    """Return the limit in whole requests and whole seconds, which is what the window counts; never more than asked.

    A longer window would be closer to a limit such as 2.5, and allow too many requests within one second.
    """
    if requests_per_second >= 1:
        return RateLimitItemPerSecond(math.floor(requests_per_second))
    return RateLimitItemPerSecond(1, math.ceil(1 / requests_per_second))


def _kind(error: Exception) -> str:
    cause = error.__cause__ or error
    return type(cause).__name__
