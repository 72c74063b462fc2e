"""Report frequent events as a number, once per period."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class PeriodicCount:
    """Counts events; reports the first one at once, and the number of later ones after each period.

    Args:
        seconds: the length of a period.
        report: called with the number of events since it was last called, if there were any.
    """

    def __init__(self, seconds: float, report: Callable[[int], None]) -> None:
        self._seconds = seconds
        self._report = report
        self._number = 0
        self._timer: asyncio.TimerHandle | None = None

    def add(self) -> None:
        """Count one event."""
        self._number += 1
        if self._timer is None:
            self._end_period()

    def _end_period(self) -> None:
        self._timer = None
        if self._number:
            number, self._number = self._number, 0
            self._timer = asyncio.get_running_loop().call_later(self._seconds, self._end_period)
            self._report(number)
