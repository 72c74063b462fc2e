"""Events that this process has counted: only those need not be counted again."""

from __future__ import annotations

import time
from collections import OrderedDict
from typing import Final

from customerio_track_mcp.control.quotas.base import MINUTES_COUNTED, SECONDS_PER_MINUTE
from customerio_track_mcp.control.quotas.local import Clock

MAX_ENTRIES: Final = 10_000
"""Event ids that a process remembers as counted; the oldest goes first."""

_SECONDS_COUNTED: Final = (MINUTES_COUNTED - 1) * SECONDS_PER_MINUTE
"""What every unit counts for at least."""


class CountedEvents:
    """The ids of events whose unit counts now.

    That a call has the id of an earlier one does not mean that the earlier one was counted: another replica may have
    refused it, or given its unit back.

    Args:
        clock: seconds, from any start.
        max_entries: the maximum number of ids.
    """

    def __init__(self, clock: Clock = time.monotonic, max_entries: int = MAX_ENTRIES) -> None:
        self._clock = clock
        self._max_entries = max_entries
        self._counted_at: OrderedDict[str, float] = OrderedDict()

    def __len__(self) -> int:
        return len(self._counted_at)

    def __contains__(self, event_id: str) -> bool:
        counted_at = self._counted_at.get(event_id)
        return counted_at is not None and self._clock() - counted_at < _SECONDS_COUNTED

    def add(self, event_id: str) -> None:
        """Remember that the event is counted from now on."""
        self._counted_at[event_id] = self._clock()
        self._counted_at.move_to_end(event_id)
        if len(self._counted_at) > self._max_entries:
            self._counted_at.popitem(last=False)

    def discard(self, event_id: str) -> None:
        """Forget the event: its unit was given back."""
        self._counted_at.pop(event_id, None)
