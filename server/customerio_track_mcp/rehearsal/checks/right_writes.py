"""The check `right_writes`: each expected change has happened."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from customerio_track_mcp.rehearsal.checks.comparison import Comparison, NewEvent
from customerio_track_mcp.rehearsal.checks.event_matching import MatchedEvents
from customerio_track_mcp.rehearsal.checks.event_words import described_data, described_event
from customerio_track_mcp.rehearsal.matchers import OTHERS, described, is_match
from customerio_track_mcp.rehearsal.scenario import ExpectedEvent, ExpectedPerson
from customerio_track_mcp.rehearsal.shown_text import shown
from customerio_track_mcp.sandbox import Person

_MAX_SIMILAR = 3
"""Events that are named in place of a missing one."""


def missing_writes(comparison: Comparison, events: MatchedEvents) -> Iterator[str]:
    """Yield a sentence for each expected change that has not happened."""
    for entry in comparison.scenario.expect.people:
        yield from _missing_of_person(comparison, entry)
    for expected, recorded in events.different:
        yield _difference(comparison, expected, recorded)
    for expected in events.missing:
        yield _missing_event(comparison, expected, events)
    yield from _missing_members(comparison)


def _missing_of_person(comparison: Comparison, entry: ExpectedPerson) -> Iterator[str]:
    name = shown(entry.person)
    cio_id = comparison.cio_id_of(entry.person)
    person = comparison.people_after.by_cio_id.get(cio_id or "")
    if person is None:
        expected = {key: value for key, value in _expected_values(entry).items() if key != OTHERS}
        yield f"the person {name} does not exist; expected one with {described_data(expected)}"
        return
    actual = _actual_values(person)
    for key, value in _expected_values(entry).items():
        if key == OTHERS:
            continue
        if value is None:
            if actual.get(key) is not None:
                yield f"the attribute {shown(key)} of {name} is {described(actual[key])}; expected that it is cleared"
        elif not _is_expected(key, value, actual.get(key)):
            found = described(actual[key]) if key in actual else "not set"
            yield f"the attribute {shown(key)} of {name} is {found}; expected {described(value)}"


def _expected_values(entry: ExpectedPerson) -> dict[str, object]:
    identifiers: dict[str, object] = {"id": entry.id, "email": entry.email}
    return {key: value for key, value in identifiers.items() if value is not None} | entry.attributes


def _actual_values(person: Person) -> Mapping[str, object]:
    identifiers = {"id": person.id, "email": person.email}
    return {**person.attributes, **{key: value for key, value in identifiers.items() if value is not None}}


def _is_expected(key: str, expected: object, actual: object) -> bool:
    if key == "email" and isinstance(expected, str) and isinstance(actual, str):
        return expected.lower() == actual.lower()
    return is_match(expected, actual)


def _difference(comparison: Comparison, expected: ExpectedEvent, recorded: NewEvent) -> str:
    what = described_event(comparison, recorded.event)
    if recorded.event.type != expected.type:
        return f"{what} was recorded with the type {recorded.event.type}; expected {expected.type}"
    data = recorded.event.data
    wanted = expected.data if isinstance(expected.data, Mapping) else {}
    differences = [
        f"{shown(key)} = {described(data[key]) if key in data else 'nothing'}; expected {described(value)}"
        for key, value in wanted.items()
        if key != OTHERS and not (key in data and is_match(value, data[key]))
    ]
    return f"{what} was recorded with {', and '.join(differences)}"


def _missing_event(comparison: Comparison, expected: ExpectedEvent, events: MatchedEvents) -> str:
    data = expected.data if isinstance(expected.data, Mapping) else {}
    with_data = f" with {described_data(data)}" if data.keys() - {OTHERS} else ""
    missing = f"the event {shown(expected.name)} of {shown(expected.person)}{with_data} was not recorded"
    cio_id = comparison.cio_id_of(expected.person)
    similar = [
        described_event(comparison, other.event)
        for other in events.other
        if other.event.name == expected.name.strip() or other.event.person.cio_id == cio_id
    ]
    if similar:
        return f"{missing}; there is {', '.join(similar[:_MAX_SIMILAR])} instead"
    count = sum(match.expected is expected for match in events.matched)
    if count:
        return f"{missing} often enough: {count} of {expected.count}"
    return missing


def _missing_members(comparison: Comparison) -> Iterator[str]:
    segments = {segment.id: segment for segment in comparison.end.segments}
    for entry in comparison.scenario.expect.segments:
        segment = segments.get(entry.id)
        members = {person.cio_id for person in segment.members} if segment else set()
        name = f"segment {entry.id}" + (f" ({shown(segment.name)})" if segment else "")
        for member in dict.fromkeys(entry.members):
            if comparison.cio_id_of(member) not in members:
                yield f"{shown(member)} was not added to {name}"
