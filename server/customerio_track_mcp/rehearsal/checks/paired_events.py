"""What became of each expected event, and of each recorded one, so that one mistake is one finding."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from customerio_track_mcp.rehearsal.checks.comparison import Comparison, NewEvent
from customerio_track_mcp.rehearsal.checks.event_matching import MatchedEvent, match_events
from customerio_track_mcp.rehearsal.scenario import ExpectedEvent
from customerio_track_mcp.sandbox import Event


@dataclass(frozen=True, slots=True)
class PairedEvents:
    """The expected and the recorded events.

    Attributes:
        matched: the recorded events that are expected.
        with_unexpected_keys: those of them with data that the scenario does not expect.
        different: expected events in whose place one of the same name and person was recorded, with other data.
        missing: the other expected events that were not recorded.
        other: the other recorded events, without those that are repeats.
    """

    matched: Sequence[NewEvent]
    with_unexpected_keys: Sequence[MatchedEvent]
    different: Sequence[tuple[ExpectedEvent, NewEvent]]
    missing: Sequence[ExpectedEvent]
    other: Sequence[NewEvent]


def pair_events(comparison: Comparison, repeats: Sequence[Event]) -> PairedEvents:
    """Pair the events.

    Args:
        comparison: the rehearsal.
        repeats: the events that are reported as repeats.
    """
    found = match_events(comparison)
    other = _without_repeats(found.other, repeats)
    different: list[tuple[ExpectedEvent, NewEvent]] = []
    missing: list[ExpectedEvent] = []
    for expected in found.missing:
        place = next((new for new in other if _is_in_place_of(comparison, new, expected)), None)
        if place is None:
            missing.append(expected)
        else:
            other.remove(place)
            different.append((expected, place))
    return PairedEvents(
        [match.recorded for match in found.matched],
        [match for match in found.matched if match.unexpected_keys],
        different,
        missing,
        other,
    )


def _is_in_place_of(comparison: Comparison, new: NewEvent, expected: ExpectedEvent) -> bool:
    return new.event.name == expected.name.strip() and new.event.person.cio_id == comparison.cio_id_of(expected.person)


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
