"""What a memory of event ids does, and the one of a single process."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from time import monotonic
from typing import Final, NamedTuple, Protocol

MAX_ENTRIES: Final = 10_000
"""Event ids that a process remembers; the oldest goes first."""


class Claim(NamedTuple):
    """The event id that a call must carry.

    Attributes:
        event_id: a ULID.
        is_reused: whether it is that of an earlier identical call.
        is_shared: whether other processes know it, too, so that it outlives this one.
    """

    event_id: str
    is_reused: bool
    is_shared: bool = False


class Memory(Protocol):
    """Remembers the event ids of calls by their fingerprints."""

    async def claim(self, fingerprint: bytes, event_id: str) -> Claim:
        """Return the id that is remembered; if there is none, remember `event_id`. Never raises."""

    def keep(self, fingerprint: bytes, event_id: str) -> None:
        """Remember the id for the whole window from now on, unless it is forgotten already."""

    def forget(self, fingerprint: bytes, event_id: str, *, was_sent: bool = True) -> None:
        """Forget the id; if another one is remembered by now, keep that.

        Args:
            fingerprint: of the call.
            event_id: the id that it had.
            was_sent: whether the call was sent; if not, another call with the same id still needs it.
        """


@dataclass(slots=True)
class _Entry:
    event_id: str
    expires_at: float
    is_shared: bool


class ProcessMemory:
    """Remembers the event ids of this process.

    Args:
        window: the seconds for which an id is remembered.
        longest_call: the seconds that a call may take, for which it is remembered in addition.
        max_entries: the maximum number of ids.
    """

    def __init__(self, window: float, longest_call: float, max_entries: int = MAX_ENTRIES) -> None:
        self._window = window
        self._while_running = window + longest_call
        self._max_entries = max_entries
        self._entries: OrderedDict[bytes, _Entry] = OrderedDict()

    def __len__(self) -> int:
        return len(self._entries)

    async def claim(self, fingerprint: bytes, event_id: str) -> Claim:
        """Return the id that is remembered; if there is none, remember `event_id`."""
        known = self.get(fingerprint)
        self.put(fingerprint, known or event_id)
        return Claim(known or event_id, is_reused=known is not None)

    def get(self, fingerprint: bytes, *, only_unshared: bool = False) -> str | None:
        """Return the id that is remembered; None if there is none.

        Args:
            fingerprint: of the call.
            only_unshared: whether an id that another memory knows, too, counts as none.
        """
        entry = self._entries.get(fingerprint)
        if entry is None or entry.expires_at <= monotonic() or (only_unshared and entry.is_shared):
            return None
        return entry.event_id

    def put(self, fingerprint: bytes, event_id: str, *, is_shared: bool = False) -> None:
        """Remember an id while its call runs, and for the window afterwards."""
        now = monotonic()
        self._entries[fingerprint] = _Entry(event_id, now + self._while_running, is_shared)
        self._entries.move_to_end(fingerprint)
        while len(self._entries) > self._max_entries or next(iter(self._entries.values())).expires_at <= now:
            self._entries.popitem(last=False)

    def mark_as_shared(self, fingerprint: bytes, event_id: str) -> None:
        """Record that another memory knows the id, too."""
        entry = self._entries.get(fingerprint)
        if entry is not None and entry.event_id == event_id:
            entry.is_shared = True

    def keep(self, fingerprint: bytes, event_id: str) -> None:
        """Remember the id for the whole window from now on, unless it is forgotten already."""
        entry = self._entries.get(fingerprint)
        if entry is not None and entry.event_id == event_id:
            entry.expires_at = monotonic() + self._window
            self._entries.move_to_end(fingerprint)

    def forget(self, fingerprint: bytes, event_id: str, *, was_sent: bool = True) -> None:
        """Forget the id; if another one is remembered by now, keep that."""
        del was_sent  # in one process, identical calls are joined: no other call has the id
        entry = self._entries.get(fingerprint)
        if entry is not None and entry.event_id == event_id:
            del self._entries[fingerprint]
