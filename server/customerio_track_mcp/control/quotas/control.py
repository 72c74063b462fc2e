"""The control that counts what is sent, and refuses what would exceed a maximum per hour."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from customerio_track_mcp.control.call import Call
from customerio_track_mcp.control.chain import Send
from customerio_track_mcp.control.errors import RefusedError
from customerio_track_mcp.control.quotas.base import Counters, Shortage, Unit
from customerio_track_mcp.control.quotas.counted_events import CountedEvents
from customerio_track_mcp.control.write import Write
from customerio_track_mcp.track import Receipt, RequestFailedError, TrackError

_MAX_SECONDS_SHOWN: Final = 90


class QuotaExceededError(RefusedError):
    """The call would exceed a maximum per hour. Nothing of it was counted."""

    code = "quota_exceeded"

    def __init__(self, unit: Unit, amount: int, maximum: int, shortage: Shortage) -> None:
        super().__init__(_text(unit, amount, maximum, shortage))
        self.advice = _advice(unit, amount, shortage)


class Quotas:
    """Keeps the workspace's events and people within maxima per hour.

    A call is counted before it is sent. If it is certainly not carried out, its units are given back; a call that was
    canceled, or whose outcome is unknown, remains counted. A call that reuses an event id is not counted again if this
    process has counted that event; whether another one has is not known.

    Args:
        maxima: units per hour; a unit that is not in it is not limited.
        counters: counts these units.
        counted: the events that this process has counted.
    """

    def __init__(self, maxima: Mapping[Unit, int], counters: Counters, counted: CountedEvents | None = None) -> None:
        self._maxima = maxima
        self._counters = counters
        self._counted = counted if counted is not None else CountedEvents()

    async def __call__(self, write: Write, call: Call, proceed: Send) -> Receipt | None:
        """Send a write if the maximum allows it."""
        event_id = write.request.event_id
        unit = Unit.PEOPLE if event_id is None else Unit.EVENTS
        maximum = self._maxima.get(unit)
        is_counted = call.record.is_reused and event_id is not None and event_id in self._counted
        if maximum is None or is_counted:
            return await proceed(write, call)
        amount = write.request.people
        if amount > maximum:
            raise QuotaExceededError(unit, amount, maximum, Shortage(maximum, 0, 0))
        permit = await self._counters.take(unit, amount)
        if isinstance(permit, Shortage):
            raise QuotaExceededError(unit, amount, maximum, permit)
        if event_id is not None:
            self._counted.add(event_id)
        try:
            return await proceed(write, call)
        except TrackError as error:
            if not (isinstance(error, RequestFailedError) and error.outcome_unknown):
                if event_id is not None:
                    self._counted.discard(event_id)
                await self._counters.give_back(permit)
            raise


def _text(unit: Unit, amount: int, maximum: int, shortage: Shortage) -> str:
    limit = f"the maximum of {unit.quantity(maximum)} per hour ({unit.variable})"
    if shortage.is_share:
        limit = f"the share of this process, which is {shortage.maximum}, of {limit}"
    if shortage.is_redis_lost:
        limit += " (the Redis that counts for all processes does not respond)"
    if amount > shortage.maximum:
        return f"This call is for {unit.quantity(amount)}, which is more than {limit}"
    return f"This call would exceed {limit}: {shortage.used} used in the last hour, {amount} more needed"


def _advice(unit: Unit, amount: int, shortage: Shortage) -> str:
    ask = f"Or ask the user: whoever operates this server can raise {unit.variable}."
    left = max(0, shortage.maximum - shortage.used)
    if amount > shortage.maximum:
        split = f"split it into calls for at most {unit.quantity(shortage.maximum)}"
        if shortage.is_redis_lost:
            instead = f", or {split}" if shortage.maximum else ""
            return f"Call again in a minute, when Redis may respond{instead}. {ask}"
        return f"It can never be sent as it is: {split}. {ask}"
    now = f" Or call now for at most {left} of them." if left else ""
    return f"Call again with the same arguments in {_duration(shortage.seconds)}.{now} {ask}"


def _duration(seconds: int) -> str:
    if seconds > _MAX_SECONDS_SHOWN:
        return f"{-(-seconds // 60)} minutes"
    return "1 second" if seconds == 1 else f"{seconds} seconds"
