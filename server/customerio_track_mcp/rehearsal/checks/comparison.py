"""The start and the end of a rehearsal, side by side: who is who, and what is new."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from customerio_track_mcp.rehearsal.matchers import is_equal
from customerio_track_mcp.rehearsal.scenario import Scenario
from customerio_track_mcp.rehearsal.shown_text import shown
from customerio_track_mcp.rehearsal.snapshot import ReportedCall, Snapshot
from customerio_track_mcp.sandbox import Dropped, Event, Person, Request

_CIO_ID: Final = "cio_"


class Directory:
    """Finds people of a snapshot by an identifier, as in a path of the Track API."""

    def __init__(self, people: Sequence[Person]) -> None:
        self.by_cio_id: Final = {person.cio_id: person for person in people}
        self._by_id = {person.id: person for person in people if person.id is not None}
        self._by_email = {person.email.lower(): person for person in people if person.email is not None}

    def find(self, identifier: str) -> Person | None:
        """Return the person with an id, an email address, or `cio_` and a cio_id; None if there is none."""
        if "@" in identifier:
            return self._by_email.get(identifier.lower())
        if identifier in self._by_id:
            return self._by_id[identifier]
        return self.by_cio_id.get(identifier.removeprefix(_CIO_ID)) if identifier.startswith(_CIO_ID) else None


@dataclass(frozen=True, slots=True)
class NewEvent:
    """An event that was recorded after the start.

    Attributes:
        number: its number in the sandbox.
        event: the event.
    """

    number: int
    event: Event


@dataclass(frozen=True, slots=True)
class Comparison:
    """A rehearsal that has ended.

    Attributes:
        scenario: what was rehearsed.
        start: the sandbox at the start.
        end: the sandbox at the end.
        people_before: the people of the start.
        people_after: the people of the end.
    """

    scenario: Scenario
    start: Snapshot
    end: Snapshot
    people_before: Directory = field(init=False)
    people_after: Directory = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "people_before", Directory(self.start.people))
        object.__setattr__(self, "people_after", Directory(self.end.people))

    def cio_id_of(self, identifier: str) -> str | None:
        """Return the cio_id of the person whom an identifier names at the start, or else at the end."""
        person = self.people_before.find(identifier) or self.people_after.find(identifier)
        return person.cio_id if person else None

    def identifiers_of(self, cio_id: str | None) -> frozenset[str]:
        """Return every identifier that a person has at the start or at the end."""
        if cio_id is None:
            return frozenset()
        found = [people.by_cio_id.get(cio_id) for people in (self.people_before, self.people_after)]
        names = {name for person in found if person for name in (person.id, person.email) if name is not None}
        return frozenset(names | {_CIO_ID + cio_id})

    def name_of(self, cio_id: str) -> str:
        """Return the identifier by which a finding names a person, as text for a message."""
        person = self.people_before.by_cio_id.get(cio_id) or self.people_after.by_cio_id.get(cio_id)
        return shown(_CIO_ID + cio_id) if person is None else name_of(person)

    @property
    def new_events(self) -> list[NewEvent]:
        """The events that were recorded after the start, oldest first."""
        first = len(self.start.events)
        return [NewEvent(number, event) for number, event in enumerate(self.end.events[first:], first + 1)]

    @property
    def new_requests(self) -> Sequence[Request]:
        """The requests that were received after the start, oldest first."""
        return self.end.requests[len(self.start.requests) :]

    @property
    def new_drops(self) -> Sequence[Dropped]:
        """What was dropped after the start, oldest first."""
        return self.end.dropped[len(self.start.dropped) :]

    @property
    def new_calls(self) -> Sequence[ReportedCall]:
        """The tool calls that were reported after the start, oldest first."""
        return self.end.calls[len(self.start.calls) :]


def is_same_value(name: str, one: object, another: object) -> bool:
    """Return whether a person's attribute, id or email has the same value twice. None and "" are both none."""
    if name == "email" and isinstance(one, str) and isinstance(another, str):
        return one.lower() == another.lower()
    return is_equal("" if one is None else one, "" if another is None else another)


def name_of(person: Person) -> str:
    """Return the id of a person, or else another identifier, as text for a message."""
    return shown(person.id or person.email or _CIO_ID + person.cio_id)
