"""A rate limiter shared through Redis by every process that writes to a workspace.

It needs the packages `limits` and `redis` (the extra `redis`), so it is imported only if a shared limit is configured.
"""

from __future__ import annotations

import logging
import math
import re
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import anyio
from limits import RateLimitItem, RateLimitItemPerSecond
from limits.aio.storage import RedisStorage
from limits.aio.strategies import SlidingWindowCounterRateLimiter
from limits.errors import ConfigurationError
from redis.asyncio import ConnectionPool
from redis.exceptions import InvalidResponse

from customerio_track_mcp.track.rate_limit.base import RateLimiter
from customerio_track_mcp.track.rate_limit.redis_connections import RESPONSE_TIMEOUT, redis_connections

logger = logging.getLogger("customerio_track_mcp.track")

_PERMIT_LIFETIME: Final = 0.5
"""Seconds within which permits must be used: later, they would exceed the limit of another second."""
_RETRY_DELAY: Final = 2.0
"""Seconds before a Redis that did not respond is asked again."""


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
        ValueError: the URL cannot be used. The message does not repeat any part of it.
    """

    def __init__(
        self,
        url: str,
        key: str,
        requests_per_second: float,
        fallback: RateLimiter,
        on_change: Callable[[bool], None] = lambda _: None,
    ) -> None:
        self._connections = redis_connections(url)
        self._storage = _storage(url, self._connections)
        self._window = SlidingWindowCounterRateLimiter(self._storage)
        self._item = _per_window(requests_per_second)
        self._key = key
        self._poll_interval = min(0.1, max(0.005, 1 / requests_per_second))
        self._fallback = fallback
        self._on_change = on_change
        self._shared: bool | None = None
        self._ask_again_at = -math.inf
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
        while anyio.current_time() >= self._ask_again_at:
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
            self._on_found()
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
        await self._disconnect()

    async def _on_lost(self, error: Exception) -> None:
        self._ask_again_at = anyio.current_time() + _RETRY_DELAY
        # Reconnect, so that a hostname that now resolves to another server is looked up again.
        await self._disconnect()
        if self._shared is not False:
            # The error's text may contain the URL, and with it a password.
            logger.warning("rate budget storage lost: this process keeps to its share", extra={"error": _kind(error)})
            self._set_shared(shared=False)

    async def _disconnect(self) -> None:
        with anyio.move_on_after(RESPONSE_TIMEOUT), suppress(Exception):
            await self._connections.disconnect()

    def _on_found(self) -> None:
        if not self._shared:
            if self._shared is False:
                logger.warning("rate budget storage is back: the budget is shared again")
            self._set_shared(shared=True)

    def _set_shared(self, *, shared: bool) -> None:
        self._shared = shared
        self._on_change(shared)


def _storage(url: str, connections: ConnectionPool) -> RedisStorage:
    try:
        storage = RedisStorage(
            f"async+{url}",
            implementation="redispy",  # the default expects a pool of coredis: github.com/alisaifee/limits/issues/295
            key_prefix="customerio-track-mcp",
            connection_pool=connections,  # type: ignore[arg-type]  # documented as accepted
        )
    except ConfigurationError:
        raise ValueError("expected one host and its port") from None
    # `limits` takes any response that is not empty for a permit, and redis-py keeps any for the digest of a script.
    client = storage.bridge.get_connection()  # type: ignore[attr-defined]  # of the bridge to redis-py
    client.set_response_callback("EVALSHA", _script_result)
    client.set_response_callback("SCRIPT LOAD", _script_digest)
    return storage


def _script_result(response: object, **_: object) -> object:
    """Return the response to a script: 1 or None for a permit, or four values for the state of the window."""
    if response is None or response == 1 or (isinstance(response, list) and len(response) == 4):
        return response
    raise InvalidResponse("not the result of a script")


def _script_digest(response: object, **_: object) -> str:
    """Return the response to SCRIPT LOAD: a SHA-1 in hexadecimal."""
    if isinstance(response, bytes) and re.fullmatch(rb"[0-9a-f]{40}", response):
        return response.decode()
    raise InvalidResponse("not the digest of a script")


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
