"""What a sandbox contains, as values for programs and tests: they do not change when the sandbox does."""

from __future__ import annotations

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Literal

from customerio_track_mcp.sandbox.state import WorkspaceState


@dataclass(frozen=True, slots=True)
class Person:
    """One person.

    Attributes:
        cio_id: the identifier that the workspace has assigned.
        id: the id; None if the person is known by an email address alone.
        email: the email address; None without one.
        attributes: the other attributes, as JSON values.
    """

    cio_id: str
    id: str | None
    email: str | None
    attributes: Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Event:
    """One event as recorded.

    Attributes:
        name: its name, or the URL of a page.
        type: `event`, `page` or `screen`.
        person: whose event it is.
        timestamp: when it happened, in UNIX seconds.
        data: its data, as JSON values.
        id: the ULID that the client sent; None without one.
    """

    name: str
    type: str
    person: Person
    timestamp: int
    data: Mapping[str, object]
    id: str | None


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment.

    Attributes:
        id: its number.
        name: its name.
        kind: `manual` or `data-driven`; the API adds people to manual segments only.
        members: the people in it, in the order in which they were added.
    """

    id: int
    name: str
    kind: Literal["manual", "data-driven"]
    members: tuple[Person, ...]


def people_of(workspace: WorkspaceState) -> tuple[Person, ...]:
    """Return the people, in the order in which they were added."""
    return tuple(_people_by_cio_id(workspace).values())


def events_of(workspace: WorkspaceState) -> tuple[Event, ...]:
    """Return the events that are kept, oldest first."""
    people = _people_by_cio_id(workspace)
    return tuple(
        Event(event.name, event.type, people[event.person], event.timestamp, deepcopy(event.data), event.id)
        for event in workspace.events
    )


def segments_of(workspace: WorkspaceState) -> tuple[Segment, ...]:
    """Return the segments, by their number."""
    people = _people_by_cio_id(workspace)
    return tuple(
        Segment(segment.id, segment.name, segment.kind, tuple(people[member] for member in segment.members))
        for _, segment in sorted(workspace.segments.items())
    )


def _people_by_cio_id(workspace: WorkspaceState) -> dict[str, Person]:
    return {
        person.cio_id: Person(person.cio_id, person.id, person.email, deepcopy(person.attributes))
        for person in workspace.people
    }
