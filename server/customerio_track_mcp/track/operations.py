"""The three operations of the Track API v1, and the region lookup, as validated and encoded requests.

Building a request sends nothing. Each function finds every problem before it raises, so that a caller can correct them
together.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final
from urllib.parse import quote

from customerio_track_mcp.track.errors import InvalidArgumentsError, Problem
from customerio_track_mcp.track.validation.attributes import attributes_problems, encode_event_data
from customerio_track_mcp.track.validation.characters import hidden_characters
from customerio_track_mcp.track.validation.consent import read_booleans
from customerio_track_mcp.track.validation.event_ids import event_id_problems, new_event_id
from customerio_track_mcp.track.validation.identifiers import (
    IdType,
    email_problems,
    id_problems,
    identifier_problems,
    is_email,
    segment_id_problems,
    segment_member_problems,
)
from customerio_track_mcp.track.validation.limits import ATTRIBUTES_PER_CALL, EVENT_NAME_BYTES
from customerio_track_mcp.track.validation.notes import attribute_notes, event_notes, member_notes
from customerio_track_mcp.track.validation.sizes import encode
from customerio_track_mcp.track.validation.text import text_problems, trim
from customerio_track_mcp.track.validation.timestamps import (
    NOT_SECONDS,
    read_seconds,
    time_problems,
    timestamp_problems,
)

_MAX_ADDRESS_CHARACTERS: Final = 1000  # longer than an address with white space around it


class EventType(StrEnum):
    """The type of an event. The Track API reads any other value as `event`."""

    PAGE = "page"
    SCREEN = "screen"
    EVENT = "event"


@dataclass(frozen=True, slots=True)
class TrackRequest:
    """One request to the Track API, independent of host and credentials.

    Attributes:
        method: the HTTP method.
        path: the path and query, percent-encoded. It contains identifiers: do not log it.
        route: the template of the path, without identifiers.
        content: the JSON body in UTF-8; None if there is none.
        people: the number of people it is about.
        event_id: the ULID by which the Track API recognizes a repeated event; None for other requests.
        notes: sentences about what is valid but probably not read as intended, such as a time in milliseconds.
    """

    method: str
    path: str
    route: str
    content: bytes | None = None
    people: int = 1
    event_id: str | None = None
    notes: tuple[str, ...] = ()

    def with_event_id(self, event_id: str) -> TrackRequest:
        """Return the same event with another id.

        Args:
            event_id: a ULID, as `new_event_id` returns.

        Raises:
            InvalidArgumentsError: it is not a ULID.
            RuntimeError: the request is not an event.
        """
        _raise_if_any(event_id_problems("event_id", event_id))
        if self.event_id is None or self.content is None:
            raise RuntimeError("the request is not an event")
        # Before the id there is only the name, in which quotes are escaped.
        content = self.content.replace(_id_member(self.event_id), _id_member(event_id), 1)
        return replace(self, content=content, event_id=event_id)


def _id_member(event_id: str) -> bytes:
    # Not formatted, since a member of an `enum.Enum` is formatted as its name, and `encode` writes its value.
    return b'"id":"%b"' % str.encode(event_id)


def identify(
    customer_id: str,
    *,
    email: str | None = None,
    created_at: int | None = None,
    attributes: Mapping[str, object] | None = None,
) -> TrackRequest:
    """Build a request that adds a person, or updates the person identified by `customer_id`.

    Args:
        customer_id: an id of up to 150 bytes, an email address, or `cio_` followed by a cio_id.
        email: the person's email address.
        created_at: when the person was created in your system, in UNIX seconds.
        attributes: further attributes: up to 300 including the two above, names up to 150 bytes, values up to 1000
            bytes. The value None clears the attribute. `email` and `created_at` may be repeated here. Consent and
            `_update` must be booleans, or "true", "false", "1", "0", 1 or 0, which are sent as booleans. `created_at`
            and `_timestamp` may be strings of digits or floats without a fraction, which are sent as integers.

    Raises:
        InvalidArgumentsError: with every problem found.
    """
    problems = _person_problems(customer_id, email, created_at)
    if attributes and len(attributes) > ATTRIBUTES_PER_CALL:
        _raise_if_any([*problems, *attributes_problems("attributes", attributes, others=0)])
    attributes, no_booleans = read_booleans("attributes", attributes or {})
    attributes = _read_times(attributes)
    own = {"email": email, "created_at": created_at}
    body = dict(attributes) | {name: value for name, value in own.items() if value is not None}
    if attributes:
        problems += attributes_problems("attributes", attributes, others=len(body) - len(attributes))
        problems += no_booleans
        problems += _conflicts(attributes, email, created_at)
    _raise_if_any(problems)
    path = f"/api/v1/customers/{_path_segment(customer_id)}"
    notes = tuple(attribute_notes(attributes))
    return TrackRequest("PUT", path, "/api/v1/customers/{identifier}", encode(body), notes=notes)


def track(
    customer_id: str,
    event_name: str,
    *,
    event_type: EventType | None = None,
    data: Mapping[str, object] | None = None,
    event_id: str | None = None,
    timestamp: int | None = None,
) -> TrackRequest:
    """Build a request that records one event for the person identified by `customer_id`.

    It contains a ULID. However often it is sent, the Track API records one event. If it is built twice, it records two,
    unless both have the same `event_id`: then the Track API ignores the second one, even if its content differs.

    Args:
        customer_id: an id of up to 150 bytes, an email address, or `cio_` followed by a cio_id.
        event_name: up to 100 bytes; surrounding whitespace is removed, as the Track API does.
        event_type: None for `event`.
        data: the event's own data, up to 100 000 bytes of JSON.
        event_id: the ULID of the event, which a queue has stored; None for a new one.
        timestamp: when the event took place, in UNIX seconds; None for the time at which the Track API receives it.
            Events of more than 72 hours ago do not trigger campaigns.

    Raises:
        InvalidArgumentsError: with every problem found.
    """
    name = trim(event_name)
    problems = identifier_problems("customer_id", customer_id)
    if invalid := text_problems("event_name", name, EVENT_NAME_BYTES):
        problems += invalid
    elif hidden := hidden_characters(name, strict=False):
        problems.append(Problem("event_name", hidden))
    encoded_data = b""
    if data:
        encoded_data, invalid = encode_event_data("data", data)
        problems += invalid
    if event_id is not None:
        problems += event_id_problems("event_id", event_id)
    if timestamp is not None:
        problems += time_problems("timestamp", timestamp)
    _raise_if_any(problems)
    event_id = event_id or new_event_id()
    body: dict[str, object] = {"name": name, "id": event_id}
    if event_type is not None:
        body["type"] = event_type
    if timestamp is not None:
        body["timestamp"] = timestamp
    content = encode(body)
    if encoded_data:
        content = b'%b,"data":%b}' % (content.removesuffix(b"}"), encoded_data)
    path = f"/api/v1/customers/{_path_segment(customer_id)}/events"
    route = "/api/v1/customers/{identifier}/events"
    notes = tuple(event_notes(data or {}, timestamp))
    return TrackRequest("POST", path, route, content, event_id=event_id, notes=notes)


def add_to_segment(segment_id: str, customer_ids: Sequence[str], *, id_type: IdType = IdType.ID) -> TrackRequest:
    """Build a request that adds people to a manual segment. A repeated id is sent once.

    Args:
        segment_id: the digits of the segment's number.
        customer_ids: 1 to 1000 ids, all of the type `id_type`.
        id_type: the type of `customer_ids`.

    Raises:
        InvalidArgumentsError: with every problem found.
    """
    _raise_if_any(
        [
            *segment_id_problems("segment_id", segment_id),
            *segment_member_problems("customer_ids", customer_ids, id_type),
        ]
    )
    ids = list(dict.fromkeys(customer_ids))
    is_plain = {*map(type, ids)} == {str}
    path = f"/api/v1/segments/{int(segment_id)}/add_customers?id_type={id_type}"
    route = "/api/v1/segments/{segment_id}/add_customers"
    notes = tuple(member_notes(ids, id_type))
    return TrackRequest("POST", path, route, encode({"ids": ids}, is_plain=is_plain), people=len(ids), notes=notes)


def find_region() -> TrackRequest:
    """Build a request for the region and workspace of the credentials. The host of either region answers it."""
    return TrackRequest("GET", "/api/v1/accounts/region", "/api/v1/accounts/region", people=0)


def _person_problems(customer_id: str, email: str | None, created_at: int | None) -> list[Problem]:
    problems = identifier_problems("customer_id", customer_id)
    if email is not None:
        problems += email_problems("email", email)
        if not problems and is_email(customer_id) and not _same_address(customer_id, email):
            problems.append(
                Problem(
                    "email",
                    "differs from customer_id, which is an email address too: Customer.io would drop the update; to "
                    "change an address, pass 'cio_' followed by the person's cio_id as customer_id, or their id if "
                    'the workspace has "Allow updates to email using ID" enabled',
                )
            )
    if created_at is not None:
        problems += time_problems("created_at", created_at)
    return problems


def _read_times(attributes: Mapping[str, object]) -> Mapping[str, object]:
    """Return `attributes` with `created_at` and `_timestamp` as integers, if they are whole numbers in another form."""
    read = {
        name: seconds
        for name in ("created_at", "_timestamp")
        if (seconds := read_seconds(attributes.get(name))) is not None
    }
    return {**attributes, **read} if read else attributes


def _conflicts(attributes: Mapping[str, object], email: str | None, created_at: int | None) -> Iterator[Problem]:
    """Validate identifiers, `created_at` and `_timestamp` inside `attributes`."""
    inside = attributes.get("email")
    if "email" in attributes and email is not None:
        if not isinstance(inside, str) or not _same_address(inside, email):
            yield Problem("attributes.email", "contradicts the parameter email; pass the address there only")
    elif isinstance(inside, str) and inside:
        yield from email_problems("attributes.email", inside)
    for name in ("id", "cio_id", "anonymous_id"):
        if isinstance(identifier := attributes.get(name), str) and identifier:
            yield from id_problems(f"attributes.{name}", identifier)
    for name, own in (("created_at", created_at), ("_timestamp", None)):
        seconds = attributes.get(name)
        if own is not None and seconds != own and name in attributes:
            yield Problem(f"attributes.{name}", f"contradicts the parameter {name}; pass the time there only")
        elif isinstance(seconds, bool) or not isinstance(seconds, int | None):
            yield Problem(f"attributes.{name}", NOT_SECONDS)
        elif seconds is not None:
            yield from timestamp_problems(f"attributes.{name}", seconds)


def _same_address(one: str, other: str) -> bool:
    """Return whether Customer.io takes both for the same address: its comparison is case-insensitive."""
    return max(len(one), len(other)) <= _MAX_ADDRESS_CHARACTERS and one.strip().lower() == other.strip().lower()


def _path_segment(text: str) -> str:
    """Percent-encode `text`, so that no character ends the path segment or changes its meaning."""
    return quote(text, safe="")


def _raise_if_any(problems: Sequence[Problem]) -> None:
    if problems:
        raise InvalidArgumentsError(problems)
