"""The event ids of all processes that write to a workspace, in Redis.

It needs the package `redis` (the extra `redis`), so it is imported only if a Redis is configured.
"""

from __future__ import annotations

import logging
from collections import OrderedDict
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from itertools import islice
from typing import Any, Final, TypeVar

import anyio
from redis.asyncio import Redis
from redis.exceptions import InvalidResponse
from ulid import ULID

from customerio_track_mcp.control.once.memory import MAX_ENTRIES, Claim, ProcessMemory
from customerio_track_mcp.redis_access.availability import Availability
from customerio_track_mcp.redis_access.connections import KEY_PREFIX, redis_connections
from customerio_track_mcp.redis_access.reconnection import Reconnection

logger = logging.getLogger("customerio_track_mcp.track")

T = TypeVar("T")

_CLAIM: Final = """
local found = redis.pcall('GET', KEYS[1])
local id = type(found) == 'string' and string.match(found, '^([0-7][0-9A-HJKMNP-TV-Z]+)%+?$')
local is_known = id and #id == 26
for number = 3, #ARGV do
    is_known = is_known and id ~= ARGV[number] and '-' .. found ~= ARGV[number]
end
if is_known then
    redis.call('SET', KEYS[1], id .. '+', 'PX', ARGV[2])
    return id
end
redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
return false
"""
"""Return the id that the key contains, and add a + to it, since more than one call now has it. If it contains none, or
one of those from the third argument on, which are forgotten, set it to the first argument. The second one is the number
of milliseconds until it expires. An id with a - in front is only forgotten without a +. SET with NX and GET would need
Redis 7, and could not forget in the same round trip."""
_SETTLE: Final = """
local found = redis.pcall('GET', KEYS[1])
if found ~= ARGV[1] and (found ~= ARGV[1] .. '+' or ARGV[2] == '-') then return 0 end
if ARGV[2] == '0' or ARGV[2] == '-' then return redis.call('DEL', KEYS[1]) end
return redis.call('PEXPIRE', KEYS[1], ARGV[2])
"""
"""If the id in the key is the first argument: delete the key if the second one is 0, or if it is - and no other call
has the id; else let it expire in as many milliseconds."""
_UNSENT: Final = "-"

RESPONSE_TIMEOUT: Final = 1.0
"""Seconds for each response of Redis. Longer than that of the rate limit: a process that goes its own way for a while
costs nothing there, and here a second event."""
TIMEOUT: Final = 2 * RESPONSE_TIMEOUT
"""Seconds for one question. A new connection needs several round trips."""
MAX_CONNECTIONS: Final = 8
"""Connections to Redis per process: that many calls ask at the same time, and the others wait."""
_LATE: Final = 1.05
"""How many times `RESPONSE_TIMEOUT` may have passed when it expires, unless this process was late."""
FLUSH_TIMEOUT: Final = 1.0
"""Seconds at the end in which Redis can still be notified of what was delivered."""
_RETRY_DELAY: Final = 0.5
"""Seconds after which it is examined again whether a lost Redis may be asked."""
_BATCH: Final = 100
_MAX_IDS: Final = 4
"""Ids of one fingerprint that are still to be forgotten. Redis can contain one of them, most likely the first, which is
from before it was lost."""


class RedisMemory:
    """Remembers event ids for all processes with the same workspace; see `ProcessMemory` for `window`, `longest_call`.

    A claim is one round trip. What was delivered is forgotten in the background (`run`), and at once as far as this
    process is concerned. If Redis does not respond, or not with an id, this process remembers its own ids until Redis
    is back; no call fails because of it. The log reports once that Redis is lost, and once that it is back.

    Args:
        url: where Redis is; see `redis_connections`.
        workspace: what the processes have in common; it is part of the names of keys.
        window: the seconds for which an id is remembered.
        longest_call: the seconds that a call may take, for which it is remembered in addition.

    Raises:
        ValueError: the URL cannot be used. The message does not repeat any part of it.
    """

    def __init__(self, url: str, workspace: str, window: float, longest_call: float) -> None:
        connections = redis_connections(url, RESPONSE_TIMEOUT)
        self._reconnection = Reconnection(connections)
        self._client = Redis(connection_pool=connections)
        self._turn = anyio.Semaphore(MAX_CONNECTIONS)
        self._prefix = f"{KEY_PREFIX}:event:{workspace}:"
        self._kept_ms = max(1, round(window * 1000))
        self._claimed_ms = max(1, round((window + longest_call) * 1000))
        # What this process remembers, in case that Redis is lost.
        self._own = ProcessMemory(window, longest_call)
        self._forgotten: OrderedDict[bytes, set[str]] = OrderedDict()
        self._kept: OrderedDict[bytes, str] = OrderedDict()
        self._unshared: OrderedDict[bytes, str] = OrderedDict()
        self._has_work = anyio.Event()
        self._redis = Availability(
            lambda error: logger.warning(
                "resend memory lost: this process remembers its own events only", extra={"error": error}
            ),
            lambda: logger.warning("resend memory is back: it is shared again"),
            lambda _: None,
        )

    async def claim(self, fingerprint: bytes, event_id: str) -> Claim:
        """Return the id that is remembered; if there is none, remember `event_id`."""
        # An id from a time without Redis is not there yet. One that was there may have been forgotten since then.
        own = self._own.get(fingerprint, only_unshared=True)
        proposed = own or event_id
        async with self._turn:
            if self._redis.is_worth_asking:
                try:
                    found = await self._ask(fingerprint, proposed)
                except Exception as error:  # noqa: BLE001 - what redis-py raises for a malformed response has no common class
                    await self._on_lost(error)
                else:
                    self._redis.found()
                    self._own.put(fingerprint, found or proposed, is_shared=True)
                    self._unshared.pop(fingerprint, None)
                    is_reused = found is not None or own is not None
                    return Claim(found or proposed, is_reused=is_reused, is_shared=True)
        claim = await self._own.claim(fingerprint, event_id)
        self._have_forgotten(fingerprint, (claim.event_id, f"{_UNSENT}{claim.event_id}"))  # it is in use again
        self._unshared[fingerprint] = claim.event_id
        self._add_work(self._unshared)
        return claim

    def keep(self, fingerprint: bytes, event_id: str) -> None:
        """Remember the id for the whole window from now on, unless it is forgotten already."""
        self._own.keep(fingerprint, event_id)
        # If this is lost, the id is still remembered for the window from the start of its call.
        self._kept[fingerprint] = event_id
        self._add_work(self._kept)

    def forget(self, fingerprint: bytes, event_id: str, *, was_sent: bool = True) -> None:
        """Forget the id; if another one is remembered by now, or if another process may send it, keep that."""
        self._own.forget(fingerprint, event_id)
        if self._unshared.get(fingerprint) == event_id:
            del self._unshared[fingerprint]
        # Also if Redis did not confirm the claim: it may have carried it out.
        if len(event_ids := self._forgotten.setdefault(fingerprint, set())) < _MAX_IDS:
            event_ids.add(event_id if was_sent else f"{_UNSENT}{event_id}")
        self._add_work(self._forgotten)

    async def run(self) -> None:
        """Notify Redis of what is kept and forgotten, and of what it missed, until canceled. Never raises."""
        while True:
            await self._has_work.wait()
            self._has_work = anyio.Event()
            while self._has_more:
                if not await self._settle_batch():
                    await anyio.sleep(_RETRY_DELAY)

    async def aclose(self) -> None:
        """Notify Redis of the rest, for at most a second, and close the connections. Never raises."""
        with anyio.move_on_after(FLUSH_TIMEOUT, shield=True):
            while self._has_more and await self._settle_batch():
                pass
        await self._reconnection.close_all()

    @property
    def _has_more(self) -> bool:
        return bool(self._forgotten or self._kept or self._unshared)

    async def _ask(self, fingerprint: bytes, proposed: str) -> str | None:
        forgotten, tries = tuple(self._forgotten.get(fingerprint, ())), 0

        async def ask() -> object:
            nonlocal tries
            tries += 1
            # Not EVALSHA, whose script a restarted Redis does not know: that would be three round trips.
            arguments = proposed, str(self._claimed_ms), *forgotten
            response: object = await self._client.eval(_CLAIM, 1, self._key(fingerprint), *arguments)
            return response

        found = _read_ulid(await _in_time(ask))
        self._have_forgotten(fingerprint, forgotten)
        # The first try may have stored it.
        return None if tries > 1 and found == proposed else found

    async def _settle_batch(self) -> bool:
        """Notify Redis of some of what is kept and forgotten; return False if it is lost."""
        if not self._redis.is_worth_asking:
            return False
        forgotten = [(fingerprint, event_id) for fingerprint, ids in self._first(self._forgotten) for event_id in ids]
        kept, unshared = self._first(self._kept), self._first(self._unshared)
        for fingerprint, _ in kept:
            del self._kept[fingerprint]

        async def notify() -> None:
            pipeline = self._client.pipeline(transaction=False)
            for fingerprint, event_id in unshared:  # first, so that one that is delivered meanwhile is forgotten
                of_before = self._forgotten.get(fingerprint, ())
                pipeline.eval(_CLAIM, 1, self._key(fingerprint), event_id, str(self._claimed_ms), *of_before)
            for fingerprint, event_id in kept:
                pipeline.eval(_SETTLE, 1, self._key(fingerprint), event_id, str(self._kept_ms))
            for fingerprint, event_id in forgotten:
                how = _UNSENT if event_id.startswith(_UNSENT) else "0"
                pipeline.eval(_SETTLE, 1, self._key(fingerprint), event_id.removeprefix(_UNSENT), how)
            await pipeline.execute()

        try:
            await _in_time(notify)
        except Exception as error:  # noqa: BLE001 - as in `claim`
            await self._on_lost(error)
            return False
        self._redis.found()
        for fingerprint, event_id in unshared:
            self._own.mark_as_shared(fingerprint, event_id)
            if self._unshared.get(fingerprint) == event_id:
                del self._unshared[fingerprint]
        for fingerprint, event_id in forgotten:
            self._have_forgotten(fingerprint, (event_id,))
        return True

    def _have_forgotten(self, fingerprint: bytes, event_ids: tuple[str, ...]) -> None:
        if (waiting := self._forgotten.get(fingerprint)) is not None:
            waiting.difference_update(event_ids)
            if not waiting:
                del self._forgotten[fingerprint]

    def _add_work(self, work: OrderedDict[bytes, Any]) -> None:
        if len(work) > MAX_ENTRIES:
            work.popitem(last=False)
        self._has_work.set()

    @staticmethod
    def _first(work: OrderedDict[bytes, Any]) -> list[tuple[bytes, Any]]:
        return list(islice(work.items(), _BATCH))

    def _key(self, fingerprint: bytes) -> str:
        return f"{self._prefix}{fingerprint[:16].hex()}"

    async def _on_lost(self, error: Exception) -> None:
        self._redis.lost(error)
        await self._reconnection.close_idle()


async def _in_time(ask: Callable[[], Awaitable[T]]) -> T:
    """Return what `ask` returns within `TIMEOUT` seconds; ask once more if this process was too late for the response.

    A process that is stopped or busy for longer than a timeout finds that it has expired before it reads the response,
    which has long arrived. Then Redis is not lost.
    """
    started = anyio.current_time()
    try:
        with anyio.fail_after(TIMEOUT):
            return await ask()
    except Exception:
        if anyio.current_time() - started < _LATE * RESPONSE_TIMEOUT:
            raise
    with anyio.fail_after(TIMEOUT):
        return await ask()


def _read_ulid(response: object) -> str | None:
    """Return the id in the response to `_CLAIM`; None if there was none.

    Raises:
        InvalidResponse: it is something else.
    """
    if response is None:
        return None
    if isinstance(response, bytes):
        with suppress(ValueError):
            return str(ULID.from_str(response.decode()))
    raise InvalidResponse("not an event id")


@asynccontextmanager
async def open_redis_memory(url: str, workspace: str, window: float, longest_call: float) -> AsyncIterator[RedisMemory]:
    """Run a `RedisMemory` until the block ends; see there."""
    memory = RedisMemory(url, workspace, window, longest_call)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(memory.run)
        try:
            yield memory
        finally:
            tasks.cancel_scope.cancel()
            await memory.aclose()
