"""The check `no_repeat`: no event was sent again, as a new one, after an attempt with an unknown outcome.

An attempt has an unknown outcome if no response reached the client: the connection was reset before or after the event
was recorded, or the client did not wait for a delayed response. Sending the same again with the same event id is safe.
With another id, or without one, the real API may record it twice; that the first attempt was not carried out is luck,
and the second one is reported as well.

Two events are the same if they have the same person and name, since a repeat may be worded differently. They may be two
intended ones, so only as many are repeats as exceed the number that is expected and allowed.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from customerio_track_mcp.rehearsal.checks.comparison import Comparison
from customerio_track_mcp.rehearsal.checks.requests import body_of, subject_of
from customerio_track_mcp.rehearsal.scenario import DelayFault, LostReplyFault, ResetFault, Scenario
from customerio_track_mcp.rehearsal.shown_text import shown
from customerio_track_mcp.rehearsal.wildcards import is_like, is_person_like
from customerio_track_mcp.sandbox import Event, Request

_TRACK: Final = "track"


@dataclass(frozen=True, slots=True)
class Repeat:
    """An event that was sent again as a new one.

    Attributes:
        text: the sentence of the finding.
        event: what it recorded; None if its outcome is unknown, too, and nothing was recorded.
    """

    text: str
    event: Event | None


def can_find_repeats(scenario: Scenario) -> bool:
    """Return whether a fault of the scenario leaves the outcome of an event unknown."""
    return any(
        isinstance(fault, LostReplyFault | DelayFault | ResetFault) and fault.operation in (None, _TRACK)
        for fault in scenario.faults
    )


def find_repeats(comparison: Comparison) -> list[Repeat]:
    """Return the events that were sent again as new ones after an attempt with an unknown outcome."""
    repeats: list[Repeat] = []
    for (person, name), sent in _sent_events(comparison).items():
        excess = max(len(sent) - _intended(comparison, person, name), 0)
        after_unknown = _after_unknown(sent)
        for event in after_unknown[max(len(after_unknown) - excess, 0) :]:
            how = "under another event id" if event.event_id else "without an event id"
            what = f"the event {shown(name)} of {_shown_person(comparison, person)}"
            text = f"{what} was sent again {how}, after an attempt whose outcome was unknown, so it can be there twice"
            repeats.append(Repeat(text, event.recorded))
    return repeats


@dataclass(slots=True)
class _SentEvent:
    """One intent: the requests that have one event id, or one request without an id.

    Attributes:
        event_id: the id.
        attempts: for each request, its position in the log, and whether a response reached the client.
        recorded: the event that was recorded; None without one.
    """

    event_id: str | None
    attempts: list[tuple[int, bool]] = field(default_factory=list)
    recorded: Event | None = None


def _sent_events(comparison: Comparison) -> dict[tuple[str, str], list[_SentEvent]]:
    """Return what was recorded or has an unknown outcome, by person and name, in the order of the first attempts."""
    by_intent: dict[tuple[str, str, object], _SentEvent] = {}
    for position, request in enumerate(comparison.new_requests):
        if request.operation != _TRACK or _is_without_effect(request):
            continue
        body = body_of(request)
        name = body.get("name") if request.event is None else request.event.name
        if not isinstance(name, str):
            continue
        event_id = body.get("id") if isinstance(body.get("id"), str) else None
        key = (_person_of(comparison, request), name.strip(), event_id or position)
        sent = by_intent.setdefault(key, _SentEvent(event_id))
        sent.attempts.append((position, request.status is not None))
        sent.recorded = sent.recorded or request.event
    grouped: dict[tuple[str, str], list[_SentEvent]] = {}
    for (person, name, _), sent in by_intent.items():
        grouped.setdefault((person, name), []).append(sent)
    return grouped


def _is_without_effect(request: Request) -> bool:
    """Return whether a request was dropped or rejected, so that sending it again corrects it.

    One that was reset before it was carried out is not: the client cannot know that.
    """
    return request.event is None and (request.status is not None or request.fault in ("lost_reply", "delay"))


def _person_of(comparison: Comparison, request: Request) -> str:
    """Return the cio_id of a request's person, or the identifier of somebody who does not exist."""
    subject = subject_of(request)
    return (request.person and request.person.cio_id) or comparison.cio_id_of(subject) or subject


def _shown_person(comparison: Comparison, person: str) -> str:
    is_known = person in comparison.people_before.by_cio_id or person in comparison.people_after.by_cio_id
    return comparison.name_of(person) if is_known else shown(person)


def _after_unknown(sent: Sequence[_SentEvent]) -> list[_SentEvent]:
    """Return the events that were sent when the outcome of an earlier one was unknown."""
    found, known_from = [], 0
    for event in sent:
        if event.attempts[0][0] < known_from:
            found.append(event)
        answered = (position for position, is_answered in event.attempts if is_answered)
        known_from = max(known_from, next(answered, sys.maxsize))
    return found


def _intended(comparison: Comparison, person: str, name: str) -> int:
    """Return how many events of a person and a name are expected and allowed; at least 1, the first one."""
    scenario = comparison.scenario
    expected = sum(
        entry.count
        for entry in scenario.expect.events
        if entry.name.strip() == name and person in (comparison.cio_id_of(entry.person), entry.person)
    )
    names = comparison.identifiers_of(person) or {person}
    allowed = sum(
        sys.maxsize if entry.count is None else entry.count
        for entry in scenario.allow.events
        if is_like(entry.name.strip(), name) and any(is_person_like(entry.person, known) for known in names)
    )
    return max(expected + allowed, 1)
