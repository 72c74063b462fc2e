"""The ids of the events that were recorded, by which a repeated event is recognized.

The real API records one event per ULID and ignores any further one silently. A client that retries after a lost
response relies on that: a further event with the same content is a repeat, and only one with other content is dropped
data.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import NamedTuple

from ulid import ULID

from customerio_track_mcp.sandbox.bounds import MAX_EVENT_IDS
from customerio_track_mcp.sandbox.drop_rules import DroppedError
from customerio_track_mcp.sandbox.json_values import canonical
from customerio_track_mcp.sandbox.records import Event


class _Recorded(NamedTuple):
    number: int
    timestamp: int
    content: int


class EventIds:
    """The ids of the newest events, up to `MAX_EVENT_IDS`. What is not a ULID is not remembered."""

    def __init__(self) -> None:
        # A dict would look for its first item behind the place of every removed one.
        self._recorded: OrderedDict[str, _Recorded] = OrderedDict()

    def add(self, event: Event, number: int) -> None:
        """Remember the id of a recorded event, with its number."""
        if event.id is None or not _is_ulid(event.id):
            return
        self._recorded[event.id] = _Recorded(number, event.timestamp, _content(event))
        if len(self._recorded) > MAX_EVENT_IDS:
            self._recorded.popitem(last=False)

    def find_repeated(self, event: Event, *, has_timestamp: bool) -> int | None:
        """Return the number of the recorded event that `event` repeats; None if its id is new.

        Args:
            event: what was received.
            has_timestamp: whether it came with its timestamp, rather than getting the time of its receipt.

        Raises:
            DroppedError: the id is that of an event with other content.
        """
        recorded = self._recorded.get(event.id) if event.id is not None else None
        if recorded is None:
            return None
        has_same_timestamp = not has_timestamp or event.timestamp == recorded.timestamp
        if not has_same_timestamp or _content(event) != recorded.content:
            raise DroppedError(f"another event already has the id {event.id}; the API ignores a further event with it")
        return recorded.number


def _content(event: Event) -> int:
    return hash((event.person, event.name, event.type, canonical(event.data)))


def _is_ulid(text: str) -> bool:
    try:
        ULID.from_str(text)
    except ValueError:
        return False
    return True
