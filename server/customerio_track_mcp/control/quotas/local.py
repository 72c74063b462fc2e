"""The counters of one process."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Final

from customerio_track_mcp.control.quotas.base import MINUTES_COUNTED, SECONDS_PER_MINUTE, Permit, Shortage, Unit

Clock = Callable[[], float]
"""Returns the time in seconds, which never goes back."""


class HourWindow:
    """Units of the last hour, as one number for each minute.

    A unit counts for 60 to 61 minutes, so that no 60 minutes contain more units than the maximum. The library `limits`
    either allows nearly twice the maximum within an hour (fixed window, sliding window counter), or keeps an entry for
    each unit (moving window), and it gives none back.
    """

    def __init__(self, clock: Clock = time.monotonic) -> None:
        self._clock = clock
        self._units: dict[int, int] = {}

    @property
    def used(self) -> int:
        """The units of the last hour."""
        oldest = self._minute() - MINUTES_COUNTED + 1
        self._units = {minute: units for minute, units in self._units.items() if minute >= oldest}
        return sum(self._units.values())

    def add(self, amount: int) -> int:
        """Count `amount` units, and return the minute in which they are counted."""
        minute = self._minute()
        self._units[minute] = self._units.get(minute, 0) + amount
        return minute

    def remove(self, minute: int, amount: int) -> None:
        """Count `amount` units of `minute` no longer."""
        if minute in self._units:
            self._units[minute] = max(0, self._units[minute] - amount)

    def seconds_until_freed(self, amount: int) -> int:
        """Return after how many seconds `amount` of the units that are used no longer count."""
        for minute in sorted(self._units):
            amount -= self._units[minute]
            if amount <= 0:
                return int((minute + MINUTES_COUNTED) * SECONDS_PER_MINUTE - self._clock()) + 1
        return MINUTES_COUNTED * SECONDS_PER_MINUTE

    def _minute(self) -> int:
        return int(self._clock() // SECONDS_PER_MINUTE)


class LocalCounters:
    """Keeps this process to its shares of the maxima.

    Args:
        shares: units per hour that this process may use.
        are_shares: whether other processes have the rest.
        clock: seconds, from any start.
    """

    def __init__(self, shares: Mapping[Unit, int], *, are_shares: bool = False, clock: Clock = time.monotonic) -> None:
        self._shares: Final = shares
        self._are_shares = are_shares
        self._windows = {unit: HourWindow(clock) for unit in shares}

    async def take(self, unit: Unit, amount: int) -> Permit | Shortage:
        """Count `amount` units, all or none of them. Never raises."""
        window, share = self._windows[unit], self._shares[unit]
        used = window.used
        if used + amount <= share:
            return self.count(unit, amount)
        seconds = window.seconds_until_freed(used + amount - share) if amount <= share else 0
        return Shortage(share, used, seconds, is_share=self._are_shares)

    def count(self, unit: Unit, amount: int) -> Permit:
        """Count `amount` units that somebody else has allowed."""
        return Permit(unit, amount, self._windows[unit].add(amount))

    async def give_back(self, permit: Permit) -> None:
        """Count the units of `permit` no longer. Never raises."""
        self._windows[permit.unit].remove(permit.minute, permit.amount)
