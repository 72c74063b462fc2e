"""One rate budget for every process that writes to a workspace, kept in Redis.

Only who sets a shared storage imports this: it needs the packages `limits` and `redis` (the extra `redis`).
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

from customerio_track_mcp.track.rate_limit.local import RateBudget

logger = logging.getLogger("customerio_track_mcp.track")

_ANSWER_WITHIN: Final = 0.25
"""Seconds that Redis has for each answer: a budget must not cost more than what it is there to protect."""
_PERMITS_LAST: Final = 0.5
"""Seconds within which permits have to be used: later they would be beyond another second's budget."""
_ASK_AGAIN_AFTER: Final = 2.0
"""Seconds to leave a Redis alone that did not answer."""


class SharedRateBudget:
    """A budget that all processes with the same `key` spend together.

    Its window is counted by Redis itself, so that no two machines' clocks have to agree. Where Redis does not answer,
    the fallback lets requests go, and Redis is asked again after two seconds; no request fails for it. The log says
    so once when Redis is lost, and once when it is back.

    Args:
        url: `redis://` or `rediss://`, with user, password and database where needed.
        key: what the processes have in common; it is stored in Redis as it is.
        requests_per_second: the whole budget.
        fallback: this process's share of it.
        on_change: told whether the budget is shared, at the first request and at every change.

    Raises:
        ValueError: the URL can't be used.
    """

    def __init__(
        self,
        url: str,
        key: str,
        requests_per_second: float,
        fallback: RateBudget,
        on_change: Callable[[bool], None] = lambda _: None,
    ) -> None:
        self._connections, storage = _storage(url)
        self._window = SlidingWindowCounterRateLimiter(storage)
        self._item = _per_window(requests_per_second)
        self._key = key
        self._pause = min(0.1, max(0.005, 1 / requests_per_second))
        self._fallback = fallback
        self._on_change = on_change
        self._shared: bool | None = None
        self._ask_again_at = -math.inf
        self._waiting = 0
        self._permits, self._permits_end = 0, -math.inf
        self._most_at_once = max(1, self._item.amount // 10)
        # Requests of one process ask in the order in which they came, and one question at a time.
        self._turn = anyio.Lock()

    async def acquire(self) -> None:
        """Return when the next request may go."""
        self._waiting += 1
        try:
            async with self._turn:
                if not await self._shared_permit():
                    # In the same queue: who waits here must not be let go beside the shared budget when it is back.
                    await self._fallback.acquire()
        finally:
            self._waiting -= 1

    async def _shared_permit(self) -> bool:
        """Wait for a permit of the shared budget; False where Redis is lost."""
        while anyio.current_time() >= self._ask_again_at:
            if self._permits and anyio.current_time() < self._permits_end:
                self._permits -= 1
                return True
            # Several at once, for those who wait behind: or a distant Redis would bound us to one for each round trip.
            wanted = min(self._waiting, self._most_at_once)
            try:
                while wanted and not await self._hit(wanted):
                    wanted //= 2
            except (StorageError, RedisError, OSError, TimeoutError) as error:
                await self._lost(error)
                return False
            self._found()
            self._permits, self._permits_end = wanted, anyio.current_time() + _PERMITS_LAST
            if not wanted:
                await anyio.sleep(self._pause)
        return False

    async def _hit(self, cost: int) -> bool:
        # A new connection takes several questions; each of them has its own time-out, on the socket.
        with anyio.fail_after(8 * _ANSWER_WITHIN):
            return await self._window.hit(self._item, self._key, cost=cost)

    async def aclose(self) -> None:
        """Close the connections to Redis."""
        await self._connections.disconnect()

    async def _lost(self, error: Exception) -> None:
        self._ask_again_at = anyio.current_time() + _ASK_AGAIN_AFTER
        # A connection that is kept would lead to the same server, though its name may mean another one by now.
        with anyio.move_on_after(_ANSWER_WITHIN):
            await self._connections.disconnect()
        if self._shared is not False:
            # The error's text may hold the URL, and so a password.
            logger.warning("rate budget storage lost: this process keeps to its share", extra={"error": _kind(error)})
            self._tell(shared=False)

    def _found(self) -> None:
        if not self._shared:
            if self._shared is False:
                logger.warning("rate budget storage is back: the budget is shared again")
            self._tell(shared=True)

    def _tell(self, *, shared: bool) -> None:
        self._shared = shared
        self._on_change(shared)


def _storage(url: str) -> tuple[ConnectionPool, RedisStorage]:
    try:
        connections: ConnectionPool = ConnectionPool.from_url(
            url, socket_timeout=_ANSWER_WITHIN, socket_connect_timeout=_ANSWER_WITHIN
        )
        # What a URL asks for is judged when a connection is made of it.
        connections.make_connection()  # type: ignore[no-untyped-call]
        storage = RedisStorage(
            f"async+{url}",
            implementation="redispy",
            key_prefix="customerio-track-mcp",
            connection_pool=connections,  # type: ignore[arg-type]  # documented so
        )
    except (TypeError, ConfigurationError) as error:
        raise ValueError("no URL of a Redis") from error
    return connections, storage


def _per_window(requests_per_second: float) -> RateLimitItem:
    """The budget in whole requests and whole seconds, which is what the window counts; never more than was asked.

    A longer window would be nearer to a budget such as 2.5, and let too many go within one second.
    """
    if requests_per_second >= 1:
        return RateLimitItemPerSecond(math.floor(requests_per_second))
    return RateLimitItemPerSecond(1, math.ceil(1 / requests_per_second))


def _kind(error: Exception) -> str:
    cause = error.__cause__ or error
    return type(cause).__name__
