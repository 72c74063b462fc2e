"""What a sandbox contains, as values for programs and tests: they do not change when the sandbox does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urlsplit

from multidict import CIMultiDict

from customerio_track_mcp.sandbox import people, records
from customerio_track_mcp.sandbox.json_values import copy_of, parse
from customerio_track_mcp.sandbox.records import Dropped, LoggedRequest
from customerio_track_mcp.sandbox.segments import SegmentKind
from customerio_track_mcp.sandbox.state import WorkspaceState


@dataclass(frozen=True, slots=True)
class Person:
    """One person.

    Attributes:
        cio_id: the identifier that the workspace has assigned, without the prefix `cio_`.
        id: the id; None if the person is known by an email address alone.
        email: the email address; None without one.
        attributes: the other attributes, as JSON values.
    """

    cio_id: str
    id: str | None
    email: str | None
    attributes: Mapping[str, Any] = field(hash=False)


@dataclass(frozen=True, slots=True)
class Event:
    """One event as recorded.

    Attributes:
        name: its name, or the URL of a page.
        type: `event`, `page` or `screen`.
        person: whose event it is, as the person is now.
        timestamp: when it happened, in UNIX seconds: what the client sent, or the time of receipt.
        data: its data, as JSON values.
        id: the `id` that the client sent, normally a ULID; None without one.
    """

    name: str
    type: str
    person: Person
    timestamp: int
    data: Mapping[str, Any] = field(hash=False)
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
    kind: SegmentKind
    members: tuple[Person, ...]


@dataclass(frozen=True, slots=True)
class Request:
    """One request to the Track API, accepted or not.

    Attributes:
        at: when it was received, in UNIX seconds.
        method: the HTTP method.
        path: path and query, encoded as received.
        operation: `identify`, `track`, `add_to_segment` or `find_region`; None for any other path.
        headers: the headers without credentials, by name in any case.
        body: the body as text; None if it was too long to keep, or not received completely.
        status: the status of the response; None if no response reached the client, or not yet.
        response: the body of the response; None if none was sent.
        response_headers: the headers of the response.
        seconds: how long it took; None while it is in flight.
        attempt: 1, or the number of this retry if the same request has just failed.
        fault: the kind of the injected fault: `status`, `delay`, `reset`, `lost_reply` or `redirect`; None without one.
        call: the id of the MCP tool call that sent it; None for any other client.
        person: the person that it is about, as the person is now; None if there is none, or more than one.
        event: the event that it recorded or repeated; None without one.
        is_repeat: whether the event had already been recorded by an earlier request with the same id and content.
        dropped: what the real API would have silently dropped of it.
    """

    at: float
    method: str
    path: str
    operation: str | None
    headers: Mapping[str, str] = field(hash=False)
    body: str | None
    status: int | None
    response: str | None
    response_headers: Mapping[str, str] = field(hash=False)
    seconds: float | None
    attempt: int
    fault: str | None
    call: str | None
    person: Person | None
    event: Event | None
    is_repeat: bool
    dropped: tuple[Dropped, ...]

    @property
    def json(self) -> Any:
        """The body as JSON values; None if it is empty.

        Raises:
            ValueError: it is not valid JSON, or was not kept.
        """
        if self.body is None:
            raise ValueError("the body was not kept: it is too long, or was not received completely")
        return parse(self.body) if self.body else None

    @property
    def identifier(self) -> str | None:
        """The identifier of the person in the path, decoded; None if the operation has none in its path."""
        if self.operation not in ("identify", "track"):
            return None
        return unquote(urlsplit(self.path).path.split("/")[4])


class SnapshotReader:
    """Copies what a workspace contains. Whatever several copies refer to is copied once.

    Args:
        workspace: what to copy from. It must not change while the reader is used.
    """

    def __init__(self, workspace: WorkspaceState) -> None:
        self._workspace = workspace
        self._people: dict[str, Person] = {}
        self._events: dict[int, Event] = {}

    def people(self) -> tuple[Person, ...]:
        """Return the people, in the order in which they were added."""
        return tuple(person_of(person) for person in self._workspace.people)

    def events(self) -> tuple[Event, ...]:
        """Return the events that are kept, oldest first."""
        return tuple(map(self.event, self._workspace.events))

    def segments(self) -> tuple[Segment, ...]:
        """Return the segments, by their number."""
        return tuple(self.segment(segment) for _, segment in sorted(self._workspace.segments.items()))

    def requests(self, log: Iterable[LoggedRequest]) -> tuple[Request, ...]:
        """Return the requests of a log, in its order."""
        return tuple(map(self._request, log))

    def event(self, event: records.Event) -> Event:
        """Return the copy of an event."""
        person = self._person(event.person)
        return Event(event.name, event.type, person, event.timestamp, copy_of(event.data), event.id)

    def segment(self, segment: records.Segment) -> Segment:
        """Return the copy of a segment."""
        return Segment(segment.id, segment.name, segment.kind, tuple(map(self._person, segment.members)))

    def _person(self, cio_id: str) -> Person:
        if cio_id not in self._people:
            found = self._workspace.people.find("cio_id", cio_id)
            # A data file that somebody has edited may refer to people whom it does not contain.
            self._people[cio_id] = Person(cio_id, None, None, {}) if found is None else person_of(found)
        return self._people[cio_id]

    def _event_with_number(self, number: int | None) -> Event | None:
        recorded = None if number is None else self._workspace.events.get(number)
        if number is None or recorded is None:
            return None
        if number not in self._events:
            self._events[number] = self.event(recorded)
        return self._events[number]

    def _request(self, request: LoggedRequest) -> Request:
        drops = (self._workspace.dropped.get(number) for number in request.drops)
        return Request(
            at=request.at,
            method=request.method,
            path=request.path,
            operation=request.operation,
            headers=CIMultiDict(request.headers),
            body=request.body,
            status=request.status,
            response=request.response,
            response_headers=CIMultiDict(request.response_headers),
            seconds=request.seconds,
            attempt=request.attempt,
            fault=request.fault,
            call=request.call,
            person=None if request.person is None else self._person(request.person),
            event=self._event_with_number(request.event),
            is_repeat=request.is_repeat,
            dropped=tuple(dropped for dropped in drops if dropped is not None),
        )


def person_of(person: people.Person) -> Person:
    """Return the copy of a person."""
    return Person(person.cio_id, person.id, person.email, copy_of(person.attributes))
