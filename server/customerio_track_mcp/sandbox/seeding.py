"""Add people, events and segments without a request, by the rules of the operations.

What the real API would silently drop is an error here: a test that starts with data that cannot exist proves nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from pydantic import ValidationError

from customerio_track_mcp.sandbox import records
from customerio_track_mcp.sandbox.drop_rules import DroppedError
from customerio_track_mcp.sandbox.json_values import compact, parse_object
from customerio_track_mcp.sandbox.people import NOT_STORED, FullError, Person, identifier_type_of
from customerio_track_mcp.sandbox.problems import problems_of
from customerio_track_mcp.sandbox.segments import NewSegment
from customerio_track_mcp.sandbox.state import BadRequestError, WorkspaceState

_EVENT_TYPES: Final = ("event", "page", "screen")


def seed_person(
    workspace: WorkspaceState, person_id: str | None, email: str | None, attributes: Mapping[str, object]
) -> Person:
    """Add or update a person.

    Raises:
        ValueError: an argument is invalid, the real API would drop something, or the workspace is full. Nothing has
            changed.
    """
    identifiers = {}
    if person_id is not None:
        identifiers["id"] = _text("id", person_id)
        if identifier_type_of(person_id) != "id":
            raise ValueError("id: the Track API would take it for an email address or a cio_id; pass another id")
    if email is not None:
        identifiers["email"] = _text("email", email)
        if identifier_type_of(email) != "email":
            raise ValueError("email: must contain @, for example ann@example.com")
    if not identifiers:
        raise ValueError("id, email: pass at least one of them")
    values = _json_object("attributes", attributes)
    if reserved := sorted(NOT_STORED & values.keys()):
        raise ValueError(f"attributes: {reserved[0]} is not an attribute; identifiers are parameters of their own")
    with _as_value_error():
        return workspace.seed_person(identifiers, values)


def seed_event(workspace: WorkspaceState, identifier: str, body: Mapping[str, object]) -> records.Event:
    """Record an event.

    Args:
        workspace: where to record it.
        identifier: the person's id, email address, or `cio_` and the cio_id.
        body: `name`, `type`, `data` and `timestamp`, as in a request.

    Raises:
        ValueError: an argument is invalid, the real API would drop the event, or the workspace is full. Nothing has
            changed.
    """
    if body["type"] not in _EVENT_TYPES:
        raise ValueError(f"type: must be one of {', '.join(_EVENT_TYPES)}")
    _text("person", identifier)
    _text("name", body["name"])
    with _as_value_error():
        return workspace.seed_event(identifier, {**body, "data": _json_object("data", body["data"])})


def seed_segment(workspace: WorkspaceState, fields: Mapping[str, object], members: Iterable[str]) -> records.Segment:
    """Add a segment with members, or replace the one with its id. A data-driven one may have members, too.

    Args:
        workspace: where to add it.
        fields: those of `NewSegment`.
        members: identifiers of people, as in `seed_event`. They must exist.

    Raises:
        ValueError: an argument is invalid, a person does not exist, or there are as many segments or members as there
            may be. Nothing has changed.
    """
    try:
        segment = NewSegment.model_validate(fields)
    except ValidationError as error:
        raise ValueError("; ".join(problems_of(error))) from None
    cio_ids: dict[str, None] = {}
    for member in members:
        cio_id = workspace.find_cio_id(_text("members", member))
        if cio_id is None:
            raise ValueError(
                f"members: no person is {member[:100]!r}; people must exist before they are added to a segment"
            )
        cio_ids[cio_id] = None
    with _as_value_error():
        return workspace.add_segment(segment, cio_ids)


@contextmanager
def _as_value_error() -> Iterator[None]:
    try:
        yield
    except DroppedError as reason:
        raise ValueError(f"the real API would silently drop this: {reason}") from None
    except (BadRequestError, FullError) as error:
        raise ValueError(str(error)) from None


def _text(parameter: str, value: object) -> str:
    if not isinstance(value, str) or not value:
        raise ValueError(f"{parameter}: must be a string that is not empty")
    try:
        value.encode()
    except UnicodeEncodeError:
        raise ValueError(f"{parameter}: contains a lone surrogate, which is not a valid character") from None
    return value


def _json_object(parameter: str, value: object) -> dict[str, object]:
    """Return a copy of a JSON object, as the sandbox would have received it."""
    try:
        return parse_object(compact(value))
    except (TypeError, ValueError, RecursionError):
        raise ValueError(
            f"{parameter}: must be an object of JSON values: strings, finite numbers, booleans, None, lists, dicts"
        ) from None
