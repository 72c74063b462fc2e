"""Counters that all processes which write to a workspace share through Redis.

It needs the package `redis` (the extra `redis`), so it is imported only if a shared storage is configured.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import anyio
from redis.asyncio import Redis
from redis.exceptions import InvalidResponse

from customerio_track_mcp.control.quotas.base import MINUTES_COUNTED, SECONDS_PER_MINUTE, Permit, Shortage, Unit
from customerio_track_mcp.control.quotas.local import LocalCounters
from customerio_track_mcp.redis_access.availability import Availability
from customerio_track_mcp.redis_access.connections import KEY_PREFIX, RESPONSE_TIMEOUT, redis_connections
from customerio_track_mcp.redis_access.reconnection import Reconnection

logger = logging.getLogger("customerio_track_mcp.calls")

MAX_CONNECTIONS: Final = 4
"""Connections to Redis per process: that many calls ask at the same time, and the others wait."""

_MAX_NUMBER: Final = 2**53
"""The largest number in a response: beyond it, the numbers of a script in Redis are not exact."""

_TAKE: Final = f"""
local amount, maximum, owed = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3])
local now = tonumber(redis.call('TIME')[1])
local minute = math.floor(now / {SECONDS_PER_MINUTE})
local units, used = {{}}, owed
local fields = redis.call('HGETALL', KEYS[1])
for i = 1, #fields, 2 do
    local counted, number = tonumber(fields[i]), tonumber(fields[i + 1])
    if math.abs(minute - counted) >= {MINUTES_COUNTED} then
        redis.call('HDEL', KEYS[1], fields[i])
    else
        units[counted], used = number, used + number
    end
end
local granted = used + amount <= maximum
local count = owed + (granted and amount or 0)
if count > 0 then
    redis.call('HINCRBY', KEYS[1], minute, count)
    redis.call('EXPIRE', KEYS[1], {2 * MINUTES_COUNTED * SECONDS_PER_MINUTE})
end
if granted then
    return {{1, used, minute, 0}}
end
units[minute] = (units[minute] or 0) + owed
local excess = used + amount - maximum
for counted = minute - {MINUTES_COUNTED - 1}, minute + {MINUTES_COUNTED - 1} do
    excess = excess - (units[counted] or 0)
    if excess <= 0 then
        return {{0, used, minute, (counted + {MINUTES_COUNTED}) * {SECONDS_PER_MINUTE} - now}}
    end
end
return {{0, used, minute, 0}}
"""
"""Count ARGV[1] units if no more than ARGV[2] are used then, and ARGV[3] units in any case.

Returns whether they were counted, the units used before, the minute of Redis, and the seconds until there is room.
A Redis that takes over may have another clock: minutes in the future count, too.
"""

_GIVE_BACK: Final = """
local counted = tonumber(redis.call('HGET', KEYS[1], ARGV[1]) or 0)
local amount = math.min(counted, tonumber(ARGV[2]))
if amount > 0 then
    redis.call('HINCRBY', KEYS[1], ARGV[1], -amount)
end
return amount
"""
"""Count ARGV[2] units of the minute ARGV[1] no longer."""


class RedisCounters:
    """Counts the units of all processes with the same `key` together.

    A call needs one round trip. The clock is that of Redis. If Redis does not respond, or with anything but a count,
    this process keeps to its share, and Redis is asked again after two seconds; what was used meanwhile is counted
    there afterwards. The log reports once that Redis is lost, and once that it is back.

    Args:
        url: where Redis is; see `redis_connections`.
        key: what the processes have in common; it is stored in Redis as it is.
        maxima: units per hour for all processes together.
        shares: counts the units of this process.

    Raises:
        ValueError: the URL cannot be used. The message does not repeat any part of it.
    """

    def __init__(self, url: str, key: str, maxima: Mapping[Unit, int], shares: LocalCounters) -> None:
        connections = redis_connections(url)
        self._reconnection = Reconnection(connections)
        self._client = Redis(connection_pool=connections)
        self._key = f"{KEY_PREFIX}:quota:{key}"
        self._maxima = maxima
        self._shares = shares
        self._owed = dict.fromkeys(maxima, 0)
        self._redis = Availability(
            lambda error: logger.warning("quota storage lost: this process keeps to its share", extra={"error": error}),
            lambda: logger.warning("quota storage is back: the maxima per hour are shared again"),
            lambda _: None,
        )
        self._turn = anyio.Semaphore(MAX_CONNECTIONS)

    async def take(self, unit: Unit, amount: int) -> Permit | Shortage:
        """Count `amount` units, all or none of them. Never raises."""
        async with self._turn:
            if self._redis.is_worth_asking:
                try:
                    decision = await self._take_shared(unit, amount)
                except Exception as error:  # noqa: BLE001 - what redis-py raises for a malformed response has no common class
                    await self._on_lost(error)
                else:
                    self._redis.found()
                    return decision
        decision = await self._shares.take(unit, amount)
        if isinstance(decision, Permit):
            self._owed[unit] += amount
            return decision
        return replace(decision, is_share=True, is_redis_lost=True)

    async def give_back(self, permit: Permit) -> None:
        """Count the units of `permit` no longer. Never raises.

        If Redis does not respond, they remain counted there, which is on the safe side.
        """
        await self._shares.give_back(permit)
        if permit.shared_minute is None:
            self._owed[permit.unit] = max(0, self._owed[permit.unit] - permit.amount)
            return
        async with self._turn:
            if self._redis.is_worth_asking:
                try:
                    await self._eval(_GIVE_BACK, permit.unit, permit.shared_minute, permit.amount)
                except Exception as error:  # noqa: BLE001 - see `take`
                    await self._on_lost(error)

    async def aclose(self) -> None:
        """Close the connections to Redis. Never raises."""
        await self._reconnection.close_all()

    async def _take_shared(self, unit: Unit, amount: int) -> Permit | Shortage:
        owed, self._owed[unit] = self._owed[unit], 0
        try:
            response = await self._eval(_TAKE, unit, amount, self._maxima[unit], owed)
            granted, used, minute, seconds = _four_numbers(response)
        except BaseException:  # a canceled call, too: whether Redis has counted is not known
            self._owed[unit] += owed
            raise
        if not granted:
            return Shortage(self._maxima[unit], used, seconds)
        return replace(self._shares.count(unit, amount), shared_minute=minute)

    async def _eval(self, script: str, unit: Unit, *arguments: int) -> Any:
        # A new connection needs several round trips; each has its own timeout on the socket.
        with anyio.fail_after(8 * RESPONSE_TIMEOUT):
            # EVAL rather than EVALSHA, which needs two more round trips whenever Redis has lost its scripts.
            return await self._client.eval(script, 1, f"{self._key}:{unit}", *map(str, arguments))

    async def _on_lost(self, error: Exception) -> None:
        self._redis.lost(error)
        await self._reconnection.close_idle()


def _four_numbers(response: object) -> Sequence[int]:
    """Return the response to `_TAKE`."""
    if (
        isinstance(response, list)
        and len(response) == 4
        and all(type(part) is int and 0 <= part <= _MAX_NUMBER for part in response)
        and response[0] in (0, 1)
    ):
        return response
    raise InvalidResponse("not the result of the script")
