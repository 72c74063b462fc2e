"""What the sandbox's workspace holds, and what the three operations do to it.

Limits are the vendor's, written down here a second time on purpose: the sandbox checks the client.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from ulid import ULID

from customerio_track_mcp.sandbox.bounded_log import History
from customerio_track_mcp.sandbox.people import DroppedError, IdentifierType, People, Person, shape_of
from customerio_track_mcp.sandbox.records import Change, Dropped, Event, Segment, record_of

_LATEST_TIMESTAMP: Final = 10**12
_EVENT_IDS_KEPT: Final = 100_000
_ID_TYPES: Final[Mapping[str, IdentifierType]] = {"id": "id", "email": "email", "cio_id": "cio_id"}


class BadRequestError(Exception):
    """The vendor answers this with an error status.

    Attributes:
        status: the HTTP status.
    """

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class Workspace:
    """One workspace, in memory.

    Attributes:
        on_change: told of each record that is new or has changed.
    """

    def __init__(self) -> None:
        self.on_change: Callable[[Change], None] = lambda _: None
        self.clear()

    def clear(self) -> None:
        """Begin anew: nobody, nothing, and the three segments."""
        self.people = People()
        self.events: History[Event] = History()
        self.dropped: History[Dropped] = History()
        self.segments = {
            1: Segment(1, "Beta testers", "manual"),
            2: Segment(2, "Webinar guests", "manual"),
            3: Segment(3, "Paying customers", "data-driven"),
        }
        self._event_ids: dict[str, None] = {}

    def restore(self, change: Change) -> None:
        """Take back a record that `on_change` was once told."""
        record: dict[str, Any] = dict(change.record)
        match change.kind:
            case "person":
                self.people.restore(Person(**record))
            case "segment":
                self.segments[record["id"]] = Segment(**record | {"members": dict.fromkeys(record["members"])})
            case "event":
                self._remember_event(Event(**record), number=int(change.key))
            case "dropped":
                self.dropped.add(Dropped(**record), _json_bytes(record), int(change.key))

    def identify(self, identifier: str, body: Mapping[str, object]) -> None:
        """Operation `identify`: `PUT /api/v1/customers/{identifier}`."""
        try:
            _refuse_long(identifier, 150, "the identifier")
            _refuse_long(str(body.get("id", "")), 150, "the id in the body")
            if len(body) > 300:
                raise DroppedError(f"{len(body)} attributes are more than 300")  # noqa: TRY301
            self._tell_of(self.people.identify(identifier, self._storable(identifier, body)))
        except DroppedError as reason:
            self._drop("identify", identifier, "the whole update", str(reason))

    def track(self, identifier: str, body: Mapping[str, object]) -> None:
        """Operation `track`: `POST /api/v1/customers/{identifier}/events`.

        Raises:
            BadRequestError: there is no name.
        """
        name, event_id, kind = body.get("name"), body.get("id"), body.get("type")
        if not isinstance(name, str) or not name.strip():
            raise BadRequestError("name can't be blank")
        data = {} if body.get("data") is None else body["data"]
        timestamp = body.get("timestamp")
        if not isinstance(data, dict):
            raise BadRequestError("data must be an object")
        if timestamp is not None and (type(timestamp) is not int or not 0 <= timestamp <= _LATEST_TIMESTAMP):
            raise BadRequestError("timestamp must be in UNIX seconds")
        try:
            _refuse_long(identifier, 150, "the identifier")
            _refuse_long(name.strip(), 100, "the event name")
            if _json_bytes(data) > 100_000:
                raise DroppedError("the event data is over 100000 bytes")  # noqa: TRY301
            self._refuse_repeated(event_id)
            person = self._person_for_event(identifier)
        except DroppedError as reason:
            self._drop("track", identifier, f"event {name.strip()[:100]!r}", str(reason))
            return
        event = Event(
            name=name.strip(),
            type=kind if kind in ("page", "screen") else "event",
            person=person.cio_id,
            timestamp=int(time.time()) if timestamp is None else timestamp,
            data=data,
            id=event_id if isinstance(event_id, str) else None,
        )
        self.on_change(Change("event", str(self._remember_event(event)), record_of(event)))

    def add_to_segment(self, segment_id: str, ids: object, id_type: str) -> None:
        """Operation `add_to_segment`: `POST /api/v1/segments/{segment_id}/add_customers`.

        Raises:
            BadRequestError: no such segment, or a data-driven one; no list of 1 to 1000 ids; no such `id_type`.
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
        for member in ids:
            try:
                person = self._member(member, identifier_type)
            except DroppedError as reason:
                self._drop("add_to_segment", str(member)[:200], f"member of segment {segment.id}", str(reason))
                continue
            segment.members[person.cio_id] = None
        self.on_change(Change("segment", str(segment.id), _segment_record(segment)))

    def as_json(self) -> dict[str, object]:
        """Everything the workspace holds, as JSON values. Numbers count from 1; what is missing was forgotten."""
        return {
            "people": [record_of(person) for person in self.people],
            "events": [record_of(event) | {"number": number} for number, event in self.events.numbered()],
            "segments": [_segment_record(segment) for segment in self.segments.values()],
            "dropped": [record_of(dropped) | {"number": number} for number, dropped in self.dropped.numbered()],
        }

    def _storable(self, identifier: str, body: Mapping[str, object]) -> dict[str, object]:
        kept: dict[str, object] = {}
        for name, value in body.items():
            try:
                _refuse_long(name, 150, "the attribute's name")
                if isinstance(value, str):
                    _refuse_long(value, 1000, "the attribute's value")
                elif _json_bytes(value) > 1000:
                    raise DroppedError("the attribute's value is over 1000 bytes")  # noqa: TRY301
            except DroppedError as reason:
                self._drop("identify", identifier, f"attribute {name[:150]!r}", str(reason))
            else:
                kept[name] = value
        return kept

    def _refuse_repeated(self, event_id: object) -> None:
        if isinstance(event_id, str) and event_id in self._event_ids:
            raise DroppedError(f"a repeat of event {event_id}, which was already received")

    def _remember_event(self, event: Event, number: int | None = None) -> int:
        size = _json_bytes(record_of(event))
        if event.id is not None and _is_ulid(event.id):
            self._event_ids[event.id] = None
            if len(self._event_ids) > _EVENT_IDS_KEPT:
                del self._event_ids[next(iter(self._event_ids))]
        return self.events.add(event, size, number)

    def _person_for_event(self, identifier: str) -> Person:
        known = self.people.find(shape_of(identifier), identifier)
        if known is None:
            known = self.people.identify(identifier, {})
            self._tell_of(known)
        return known

    def _tell_of(self, person: Person) -> None:
        self.on_change(Change("person", person.cio_id, record_of(person)))

    def _member(self, member: object, id_type: IdentifierType) -> Person:
        if not isinstance(member, str) or (id_type == "email" and "@" not in member):
            raise DroppedError(f"does not match id_type {id_type}")
        person = self.people.find(id_type, member)
        if person is None:
            raise DroppedError(f"nobody has this {id_type}; people must exist before they join a segment")
        return person

    def _drop(self, operation: str, identifier: str, what: str, reason: str) -> None:
        dropped = Dropped(operation, identifier, what, reason, at=time.time())
        number = self.dropped.add(dropped, _json_bytes(record_of(dropped)))
        self.on_change(Change("dropped", str(number), record_of(dropped)))


def _segment_record(segment: Segment) -> dict[str, object]:
    return record_of(segment) | {"members": list(segment.members)}


def _is_ulid(text: str) -> bool:
    try:
        ULID.from_str(text)
    except ValueError:
        return False
    return True


def _json_bytes(value: object) -> int:
    return len(json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode())


def _refuse_long(text: str, most: int, what: str) -> None:
    if len(text.encode()) > most:
        raise DroppedError(f"{what} is over {most} bytes")
