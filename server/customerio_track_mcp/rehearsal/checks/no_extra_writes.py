"""The check `no_extra_writes`: nothing has changed that is neither expected nor allowed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from customerio_track_mcp.rehearsal.checks.attempted_writes import AttemptedWrite
from customerio_track_mcp.rehearsal.checks.comparison import Comparison, is_same_value, name_of
from customerio_track_mcp.rehearsal.checks.event_matching import MatchedEvents
from customerio_track_mcp.rehearsal.checks.event_words import described_data, described_event
from customerio_track_mcp.rehearsal.checks.forbidden_writes import is_forbidden
from customerio_track_mcp.rehearsal.checks.permissions import may_be_added, permissions_of
from customerio_track_mcp.rehearsal.matchers import described
from customerio_track_mcp.rehearsal.shown_text import shown
from customerio_track_mcp.rehearsal.wildcards import is_person_like
from customerio_track_mcp.sandbox import Event, Person, Segment


def extra_writes(comparison: Comparison, events: MatchedEvents) -> Iterator[str]:
    """Yield a sentence for each change that is neither expected nor allowed. Forbidden writes have their own."""
    yield from _lost_evidence(comparison)
    for person in comparison.end.people:
        yield from _of_person(comparison, person)
    for person in comparison.start.people:
        if person.cio_id not in comparison.people_after.by_cio_id:
            yield f"the person {name_of(person)} is not there any more"
    for match in events.matched:
        event = match.recorded.event
        extra = {key: event.data[key] for key in match.unexpected_keys}
        extra = {key: value for key, value in extra.items() if not _is_event_forbidden(comparison, event, {key: value})}
        if extra:
            yield f"{described_event(comparison, event)} has data that was not asked for: {described_data(extra)}"
    for other in events.other:
        if _is_event_forbidden(comparison, other.event, other.event.data):
            continue
        what = described_event(comparison, other.event)
        yield f"{what} was recorded, which was not asked for: {described_data(other.event.data)}"
    before = {segment.id: segment for segment in comparison.start.segments}
    for segment in comparison.end.segments:
        yield from _of_segment(comparison, segment, before.get(segment.id))


def _lost_evidence(comparison: Comparison) -> Iterator[str]:
    """Yield a sentence for each reason why the state may not show all that the agent has written."""
    counts = comparison.end.control_requests
    for name in counts:
        if counts[name] > comparison.start.control_requests.get(name, 0):
            yield f"the sandbox itself was changed by {name}, which no workspace has, so this score proves nothing"
    if not comparison.end.is_complete:
        yield "more was sent than the sandbox keeps, so what was sent first cannot be checked"


def _is_event_forbidden(comparison: Comparison, event: Event, data: Mapping[str, object]) -> bool:
    write = AttemptedWrite(f"cio_{event.person.cio_id}", event=event.name, values=data)
    return is_forbidden(comparison, write)


def changes_of(before: Person | None, after: Person) -> dict[str, tuple[object, object]]:
    """Return what has changed of a person, id and email included: the values before and after, None without one."""
    old, new = _values_of(before), _values_of(after)
    changed: dict[str, tuple[object, object]] = {}
    for name in (*new, *(name for name in old if name not in new)):
        if not is_same_value(name, old.get(name), new.get(name)):
            changed[name] = (old.get(name), new.get(name))
    return changed


def _values_of(person: Person | None) -> Mapping[str, object]:
    return {} if person is None else {"id": person.id, "email": person.email, **person.attributes}


def _of_person(comparison: Comparison, person: Person) -> Iterator[str]:
    before = comparison.people_before.by_cio_id.get(person.cio_id)
    permissions = permissions_of(comparison, person.cio_id)
    extra = {
        name: values for name, values in changes_of(before, person).items() if not permissions.permit(name, values[1])
    }
    subject = f"cio_{person.cio_id}"
    if before is None and not may_be_added(comparison, person.cio_id):
        values = {name: value for name, value in _values_of(person).items() if value is not None}
        if is_forbidden(comparison, AttemptedWrite(subject, values=values)):
            return
        yield f"the person {name_of(person)} was added, which was not asked for: {described_data(values)}"
        return
    for name, (old, new) in extra.items():
        if is_forbidden(comparison, AttemptedWrite(subject, values={name: new})):
            continue
        what = f"the attribute {shown(name)} of {comparison.name_of(person.cio_id)}"
        if new is None:
            yield f"{what} was cleared, which was not asked for; it was {described(old)}"
        elif old is None:
            yield f"{what} was set to {described(new)}, which was not asked for"
        else:
            yield f"{what} was changed from {described(old)} to {described(new)}, which was not asked for"


def _of_segment(comparison: Comparison, segment: Segment, before: Segment | None) -> Iterator[str]:
    members_before = {person.cio_id for person in before.members} if before else set()
    expected = {
        comparison.cio_id_of(member)
        for entry in comparison.scenario.expect.segments
        if entry.id == segment.id
        for member in entry.members
    }
    for person in segment.members:
        if person.cio_id in members_before or person.cio_id in expected or _may_join(comparison, segment, person):
            continue
        if is_forbidden(comparison, AttemptedWrite(f"cio_{person.cio_id}", segment=str(segment.id))):
            continue
        name = f"segment {segment.id} ({shown(segment.name)})"
        yield f"{comparison.name_of(person.cio_id)} was added to {name}, which was not asked for"


def _may_join(comparison: Comparison, segment: Segment, person: Person) -> bool:
    names = comparison.identifiers_of(person.cio_id)
    return any(
        is_person_like(pattern, name)
        for entry in comparison.scenario.allow.segments
        if entry.id == segment.id
        for pattern in entry.members
        for name in names
    )
