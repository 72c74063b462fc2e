"""Which recorded event is which expected one: as many as possible, and those with exactly the expected data first.

One mistake is one finding: an event with wrong data is paired with the expected one that is missing, and a repeat is
not an extra event.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Generic, TypeVar

from customerio_track_mcp.rehearsal.checks.comparison import Comparison, NewEvent
from customerio_track_mcp.rehearsal.matchers import OTHERS, AnyValue, is_match
from customerio_track_mcp.rehearsal.scenario import AllowedEvent, ExpectedEvent
from customerio_track_mcp.rehearsal.wildcards import is_like, is_person_like
from customerio_track_mcp.sandbox import Event

Entry = TypeVar("Entry", ExpectedEvent, AllowedEvent)


@dataclass(frozen=True, slots=True)
class MatchedEvent:
    """A recorded event that is an expected one.

    Attributes:
        expected: the entry of the scenario.
        recorded: the event.
    """

    expected: ExpectedEvent
    recorded: NewEvent

    @property
    def unexpected_keys(self) -> list[str]:
        """The keys of its data that the scenario does not expect."""
        expected, data = self.expected.data, self.recorded.event.data
        if isinstance(expected, AnyValue):
            return []
        others = expected.get(OTHERS)
        return [key for key in data if key not in expected and (others is None or not is_match(others, data[key]))]


@dataclass(frozen=True, slots=True)
class MatchedEvents:
    """The recorded and the expected events.

    Attributes:
        matched: the expected events that were recorded.
        different: expected events in whose place one of the same name and person was recorded, with other data.
        missing: the other expected events that were not recorded, each as often as it is missing.
        other: the other recorded events that are neither expected nor allowed, without those that are repeats.
    """

    matched: Sequence[MatchedEvent]
    different: Sequence[tuple[ExpectedEvent, NewEvent]]
    missing: Sequence[ExpectedEvent]
    other: Sequence[NewEvent]


def match_events(comparison: Comparison, repeats: Sequence[Event]) -> MatchedEvents:
    """Match the recorded events with the expected ones, and then the others with the allowed ones.

    Args:
        comparison: the rehearsal.
        repeats: the events that are reported as repeats.
    """
    recorded = comparison.new_events
    is_expected = partial(_is_expected, comparison)
    slots = [entry for entry in comparison.scenario.expect.events for _ in range(entry.count)]
    exactly = _Matching(slots, recorded, lambda entry, event: is_expected(entry, event, is_exact=True))
    matching = _Matching(slots, recorded, is_expected, exactly.event_of_slot)
    by_slot = matching.event_of_slot
    used = set(by_slot.values())
    unmatched = [event for index, event in enumerate(recorded) if index not in used]
    other = _without_repeats(_not_allowed(comparison, unmatched), repeats)
    different: list[tuple[ExpectedEvent, NewEvent]] = []
    missing: list[ExpectedEvent] = []
    for expected in (entry for slot, entry in enumerate(slots) if slot not in by_slot):
        subject = (comparison.cio_id_of(expected.person), expected.name.strip())
        place = next((new for new in other if _subject(new.event) == subject), None)
        if place is None:
            missing.append(expected)
        else:
            other.remove(place)
            different.append((expected, place))
    matched = [MatchedEvent(slots[slot], recorded[index]) for slot, index in sorted(by_slot.items())]
    return MatchedEvents(matched, different, missing, other)


def _without_repeats(other: Sequence[NewEvent], repeats: Sequence[Event]) -> list[NewEvent]:
    """Remove an event for each repeat: the repeat itself, or the one that it repeats if that is the unexpected one."""
    by_subject: dict[tuple[str, str], list[NewEvent]] = {}
    for new in other:
        by_subject.setdefault(_subject(new.event), []).append(new)
    removed = set()
    for repeat in reversed(repeats):
        same = by_subject.get(_subject(repeat), [])
        if same:
            found = next((new for new in reversed(same) if new.event == repeat), same[-1])
            same.remove(found)
            removed.add(found.number)
    return [new for new in other if new.number not in removed]


def _subject(event: Event) -> tuple[str, str]:
    return event.person.cio_id, event.name


def _not_allowed(comparison: Comparison, recorded: Sequence[NewEvent]) -> list[NewEvent]:
    allowed = comparison.scenario.allow.events
    any_number = [entry for entry in allowed if entry.count is None]
    left = [event for event in recorded if not any(_is_allowed(comparison, entry, event) for entry in any_number)]
    slots = [entry for entry in allowed for _ in range(entry.count or 0)]
    used = set(_Matching(slots, left, partial(_is_allowed, comparison)).event_of_slot.values())
    return [event for index, event in enumerate(left) if index not in used]


def _is_expected(comparison: Comparison, entry: ExpectedEvent, recorded: NewEvent, *, is_exact: bool = False) -> bool:
    event = recorded.event
    if event.name != entry.name.strip() or event.type != entry.type:
        return False
    if comparison.cio_id_of(entry.person) != event.person.cio_id:
        return False
    if isinstance(entry.data, AnyValue):
        return True
    if is_exact:
        return is_match(entry.data, event.data)
    named = entry.data.keys() - {OTHERS}
    return all(key in event.data and is_match(entry.data[key], event.data[key]) for key in named)


def _is_allowed(comparison: Comparison, entry: AllowedEvent, recorded: NewEvent) -> bool:
    event = recorded.event
    names = comparison.identifiers_of(event.person.cio_id)
    return (
        is_like(entry.name.strip(), event.name)
        and entry.type in (None, event.type)
        and any(is_person_like(entry.person, name) for name in names)
        and (isinstance(entry.data, AnyValue) or is_match(entry.data, event.data))
    )


class _Matching(Generic[Entry]):
    """A largest matching of slots with events, by augmenting paths.

    Attributes:
        event_of_slot: for each slot that has an event, both by their positions.
    """

    def __init__(
        self,
        slots: Sequence[Entry],
        events: Sequence[NewEvent],
        fits: Callable[[Entry, NewEvent], bool],
        initial: dict[int, int] | None = None,
    ) -> None:
        self.event_of_slot = dict(initial or {})
        self._slot_of_event = {event: slot for slot, event in self.event_of_slot.items()}
        by_entry: dict[int, list[int]] = {}
        for entry in slots:
            if id(entry) not in by_entry:
                by_entry[id(entry)] = [index for index, event in enumerate(events) if fits(entry, event)]
        self._candidates = [by_entry[id(entry)] for entry in slots]
        for slot in range(len(slots)):
            if slot not in self.event_of_slot:
                self._augment(slot)

    def _augment(self, start: int) -> None:
        reached_from: dict[int, int] = {}
        waiting = deque([start])
        while waiting:
            slot = waiting.popleft()
            for event in self._candidates[slot]:
                if event in reached_from:
                    continue
                reached_from[event] = slot
                if event not in self._slot_of_event:
                    self._assign(event, reached_from, start)
                    return
                waiting.append(self._slot_of_event[event])

    def _assign(self, event: int, reached_from: dict[int, int], start: int) -> None:
        while True:
            slot = reached_from[event]
            previous = self.event_of_slot.get(slot)
            self.event_of_slot[slot] = event
            self._slot_of_event[event] = slot
            if slot == start or previous is None:
                return
            event = previous
