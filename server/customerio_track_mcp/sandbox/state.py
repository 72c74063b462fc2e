"""The state of the sandbox's workspace, and what the three operations do to it.

Whether the real API would drop data is decided in `drop_rules` and `people`, and recorded here.
"""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import Final

from customerio_track_mcp.sandbox.bounded_log import BoundedLog
from customerio_track_mcp.sandbox.bounds import MAX_MEMBERS, MAX_SEGMENTS
from customerio_track_mcp.sandbox.drop_rules import (
    MAX_ATTRIBUTES,
    DroppedError,
    check_attribute,
    check_event,
    check_member_type,
    check_update,
)
from customerio_track_mcp.sandbox.event_ids import EventIds
from customerio_track_mcp.sandbox.json_values import memory_of
from customerio_track_mcp.sandbox.people import FullError, IdentifierType, People, Person, identifier_type_of
from customerio_track_mcp.sandbox.records import (
    Change,
    Dropped,
    Effect,
    Event,
    Segment,
    instance_of,
    numbered_records,
    record_of,
)
from customerio_track_mcp.sandbox.segments import NewSegment

_MAX_TIMESTAMP_SECONDS: Final = 10**12
_ID_TYPES: Final[Mapping[str, IdentifierType]] = {"id": "id", "email": "email", "cio_id": "cio_id"}


class BadRequestError(Exception):
    """The vendor rejects the request with an error status.

    Attributes:
        status: the HTTP status.
    """

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class WorkspaceState:
    """One workspace, in memory.

    Attributes:
        on_change: called with each record that was added or replaced.
    """

    def __init__(self) -> None:
        self.on_change: Callable[[Change], None] = lambda _: None
        self.clear()

    def clear(self) -> None:
        """Delete everything and create the three segments without members."""
        self.people = People()
        self.events: BoundedLog[Event] = BoundedLog()
        self.dropped: BoundedLog[Dropped] = BoundedLog()
        self.segments = {
            1: Segment(1, "Beta testers", "manual"),
            2: Segment(2, "Webinar guests", "manual"),
            3: Segment(3, "Paying customers", "data-driven"),
        }
        self._event_ids = EventIds()

    def restore(self, change: Change) -> None:
        """Restore a record that `on_change` was called with, without calling it again.

        Raises:
            ValueError: the record is invalid. The message does not quote it.
            FullError: there are as many people as there may be.
        """
        record = change.record
        match change.kind:
            case "person":
                person = instance_of(Person, record)
                if person.cio_id != change.key:
                    raise ValueError("the key is not the cio_id")
                self.people.restore(person)
            case "segment":
                members = record.get("members")
                if not isinstance(members, list) or not all(isinstance(member, str) for member in members):
                    raise ValueError("members is not an array of strings")
                segment = instance_of(Segment, {**record, "members": dict.fromkeys(members)})
                if change.key != str(segment.id):
                    raise ValueError("the key is not the segment's id")
                self._require_room(segment.id, segment.members)
                self.segments[segment.id] = segment
            case "event":
                self._add_event(instance_of(Event, record), number=int(change.key))
            case "dropped":
                self.dropped.add(instance_of(Dropped, record), memory_of(record), int(change.key))

    def identify(self, identifier: str, body: Mapping[str, object]) -> Effect:
        """Run the operation `identify`: `PUT /api/v1/customers/{identifier}`.

        Raises:
            BadRequestError: the workspace is full.
        """
        drops: list[int] = []
        try:
            check_update(identifier, body)
            attributes, invalid = _valid_attributes(body)
            person = self.people.identify(identifier, attributes)
        except DroppedError as reason:
            drops.append(self._drop("identify", identifier, "the whole update", str(reason)))
            return Effect(self.find_cio_id(identifier), drops=drops)
        except FullError as error:
            raise BadRequestError(str(error)) from None
        beyond = self.people.attributes_beyond_maximum(person, attributes)
        invalid |= dict.fromkeys(beyond, _full_of_attributes())
        for name, problem in invalid.items():
            drops.append(self._drop("identify", identifier, f"attribute {name[:150]!r}", problem))
        self._notify_person(person)
        return Effect(person.cio_id, drops=drops)

    def seed_person(self, identifiers: Mapping[str, str], attributes: Mapping[str, object]) -> Person:
        """Add or update a person as `identify` does, if the real API would keep everything.

        Args:
            identifiers: `id`, `email` or both.
            attributes: the attributes.

        Raises:
            DroppedError: the real API would drop something. Nothing has changed.
            FullError: there are as many people as there may be.
        """
        body = {**identifiers, **attributes}
        path = identifiers.get("email") or identifiers["id"]
        check_update(path, body)
        valid, invalid = _valid_attributes(body)
        for name, problem in invalid.items():
            raise DroppedError(f"attribute {name[:150]!r}: {problem}")
        for known in (
            self.people.find("id", identifiers.get("id")),
            self.people.find("email", identifiers.get("email")),
        ):
            if known is not None:
                self.people.reject_identifier_change(known, identifiers)
                if not self.people.keeps_all_attributes(known, valid):
                    raise DroppedError(_full_of_attributes())
        person = self.people.identify(path, valid)
        self._notify_person(person)
        return person

    def track(self, identifier: str, body: Mapping[str, object]) -> Effect:
        """Run the operation `track`: `POST /api/v1/customers/{identifier}/events`.

        Raises:
            BadRequestError: the name, the data or the timestamp is invalid, or the workspace is full.
        """
        event = self._event(identifier, body)
        cio_id = event.person or None
        try:
            check_event(identifier, event.name, event.data)
            repeated = self._event_ids.find_repeated(event, has_timestamp=body.get("timestamp") is not None)
            if repeated is not None:
                return Effect(cio_id, repeated, is_repeat=True)
            number, event = self._record_event(identifier, event)
        except DroppedError as reason:
            number = self._drop("track", identifier, f"event {event.name[:100]!r}", str(reason))
            return Effect(cio_id, drops=[number])
        except FullError as error:
            raise BadRequestError(str(error)) from None
        return Effect(event.person, number)

    def seed_event(self, identifier: str, body: Mapping[str, object]) -> Event:
        """Record an event without an id as `track` does, if the real API would keep it.

        Raises:
            BadRequestError: as `track`.
            DroppedError: the real API would drop the event. Nothing has changed.
            FullError: there are as many people as there may be.
        """
        event = self._event(identifier, body)
        check_event(identifier, event.name, event.data)
        return self._record_event(identifier, event)[1]

    def add_to_segment(self, segment_id: str, ids: object, id_type: str) -> Effect:
        """Run the operation `add_to_segment`: `POST /api/v1/segments/{segment_id}/add_customers`.

        Raises:
            BadRequestError: the segment does not exist or is data-driven, `ids` or `id_type` is invalid, or the
                workspace is full.
        """
        segment = self.segments.get(int(segment_id)) if re.fullmatch("[0-9]{1,10}", segment_id) else None
        if segment is None:
            raise BadRequestError("segment not found", status=404)
        if segment.kind != "manual":
            raise BadRequestError("segment is not a manual segment")
        if not isinstance(ids, list) or not 1 <= len(ids) <= 1000:
            raise BadRequestError("ids must be an array of 1 to 1000 strings")
        identifier_type = _ID_TYPES.get(id_type)
        if identifier_type is None:
            raise BadRequestError("id_type must be one of id, email, cio_id")
        members: dict[str, None] = {}
        invalid: list[tuple[object, DroppedError]] = []
        for member_id in ids:
            try:
                members[self._find_member(member_id, identifier_type).cio_id] = None
            except DroppedError as reason:
                invalid.append((member_id, reason))
        try:
            self._require_room(segment.id, segment.members | members)
        except FullError as error:
            raise BadRequestError(str(error)) from None
        what = f"addition to segment {segment.id}"
        drops = [self._drop("add_to_segment", str(member_id)[:200], what, str(reason)) for member_id, reason in invalid]
        segment.members |= members
        self.on_change(Change("segment", str(segment.id), segment_record(segment)))
        return Effect(next(iter(members)) if len(members) == 1 else None, drops=drops)

    def add_segment(self, new: NewSegment, members: Mapping[str, None] | None = None) -> Segment:
        """Add a segment, or replace the one with its id.

        Args:
            new: the segment.
            members: the cio_ids of its members; None for none.

        Raises:
            BadRequestError: there are as many segments, or members, as there may be.
        """
        segment = Segment(new.id, new.name, new.kind, dict(members or {}))
        try:
            self._require_room(segment.id, segment.members)
        except FullError as error:
            raise BadRequestError(str(error)) from None
        self.segments[segment.id] = segment
        self.on_change(Change("segment", str(segment.id), segment_record(segment)))
        return segment

    def find_person(self, identifier: str) -> Person | None:
        """Return the person that an identifier in a path names; None if there is none."""
        return self.people.find(identifier_type_of(identifier), identifier)

    def find_cio_id(self, identifier: str) -> str | None:
        """Return the cio_id of the person that an identifier in a path names; None if there is none."""
        person = self.find_person(identifier)
        return person.cio_id if person else None

    def as_json(self) -> dict[str, Iterator[dict[str, object]]]:
        """Return the complete state: an iterator of JSON objects for each list.

        Later additions do not change what the iterators yield. Events and dropped data are numbered as in their
        `BoundedLog`.
        """
        return {
            "people": map(record_of, list(self.people)),
            "events": numbered_records(self.events.numbered()),
            "segments": iter([segment_record(segment) for segment in self.segments.values()]),
            "dropped": numbered_records(self.dropped.numbered()),
        }

    def _event(self, identifier: str, body: Mapping[str, object]) -> Event:
        """Return the event of a request. Its person is empty if there is none with this identifier.

        Raises:
            BadRequestError: the name, the data or the timestamp is invalid.
        """
        name, event_id, event_type = body.get("name"), body.get("id"), body.get("type")
        if not isinstance(name, str) or not name.strip():
            raise BadRequestError("name cannot be blank")
        data = {} if body.get("data") is None else body["data"]
        timestamp = body.get("timestamp")
        if not isinstance(data, dict):
            raise BadRequestError("data must be an object")
        if timestamp is not None and (type(timestamp) is not int or not 0 <= timestamp <= _MAX_TIMESTAMP_SECONDS):
            raise BadRequestError("timestamp must be in UNIX seconds")
        return Event(
            name=name.strip(),
            type=event_type if event_type in ("page", "screen") else "event",
            person=self.find_cio_id(identifier) or "",
            timestamp=int(time.time()) if timestamp is None else timestamp,
            data=data,
            id=event_id if isinstance(event_id, str) else None,
        )

    def _record_event(self, identifier: str, event: Event) -> tuple[int, Event]:
        if not event.person:
            event = replace(event, person=self._add_person(identifier))
        number = self._add_event(event)
        self.on_change(Change("event", str(number), record_of(event)))
        return number, event

    def _require_room(self, segment_id: int, members: Mapping[str, None]) -> None:
        """Check that a segment with these members may be added, or replace the one with its id.

        Raises:
            FullError: there would be too many segments or members. The text says what to do.
        """
        others = [segment for number, segment in self.segments.items() if number != segment_id]
        if len(others) >= MAX_SEGMENTS:
            raise FullError(f"the workspace is full: it keeps at most {MAX_SEGMENTS} segments; reset it on its page")
        if sum(len(segment.members) for segment in others) + len(members) > MAX_MEMBERS:
            raise FullError(
                f"the workspace is full: its segments have at most {MAX_MEMBERS} members together; reset it on its page"
            )

    def _add_event(self, event: Event, number: int | None = None) -> int:
        number = self.events.add(event, memory_of(record_of(event)), number)
        self._event_ids.add(event, number)
        return number

    def _add_person(self, identifier: str) -> str:
        person = self.people.identify(identifier, {})
        self._notify_person(person)
        return person.cio_id

    def _notify_person(self, person: Person) -> None:
        self.on_change(Change("person", person.cio_id, record_of(person)))

    def _find_member(self, member_id: object, id_type: IdentifierType) -> Person:
        person = self.people.find(id_type, check_member_type(member_id, id_type))
        if person is None:
            raise DroppedError(f"no person has this {id_type}; people must exist before they are added to a segment")
        return person

    def _drop(self, operation: str, identifier: str, what: str, reason: str) -> int:
        dropped = Dropped(operation, identifier, what, reason, at=time.time())
        number = self.dropped.add(dropped, memory_of(record_of(dropped)))
        self.on_change(Change("dropped", str(number), record_of(dropped)))
        return number


def _valid_attributes(body: Mapping[str, object]) -> tuple[dict[str, object], dict[str, str]]:
    """Return the attributes within the limits, and for each other one the reason why it is dropped."""
    valid: dict[str, object] = {}
    invalid: dict[str, str] = {}
    for name, value in body.items():
        try:
            check_attribute(name, value)
        except DroppedError as reason:
            invalid[name] = str(reason)
        else:
            valid[name] = value
    return valid, invalid


def _full_of_attributes() -> str:
    return f"the person already has {MAX_ATTRIBUTES} attributes, the maximum"


def segment_record(segment: Segment) -> dict[str, object]:
    """Return the fields of a segment as JSON values."""
    return record_of(segment) | {"members": list(segment.members)}
