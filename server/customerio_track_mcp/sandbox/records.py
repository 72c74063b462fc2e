"""What the sandbox records, as dataclasses that can be shown, published and stored as JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from pydantic import FiniteFloat, TypeAdapter, ValidationError

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Kind = Literal["person", "event", "segment", "dropped", "request", "call"]
Record = TypeVar("Record", bound="DataclassInstance")


@dataclass(frozen=True, slots=True)
class Event:
    """One event as recorded. `timestamp` is in UNIX seconds, `person` is a cio_id, `id` is the client's ULID."""

    name: str
    type: str
    person: str
    timestamp: int
    data: Mapping[str, object]
    id: str | None


@dataclass(slots=True)
class Segment:
    """One segment. The API adds people to manual segments only."""

    id: int
    name: str
    kind: Literal["manual", "data-driven"]
    members: dict[str, None] = field(default_factory=dict)
    """The cio_ids of the members, in the order in which they were added."""


@dataclass(frozen=True, slots=True)
class Dropped:
    """Data that the real API would have accepted with 200 and silently dropped.

    Attributes:
        operation: `identify`, `track` or `add_to_segment`.
        identifier: the person in the path, or the id that was not added to a segment.
        what: what was dropped, for example `the whole update` or `attribute 'note'`.
        reason: why.
        at: when, in UNIX seconds.
    """

    operation: str
    identifier: str
    what: str
    reason: str
    at: FiniteFloat


@dataclass(frozen=True, slots=True)
class LoggedRequest:
    """One request to the Track API.

    Attributes:
        at: when it was received, in UNIX seconds.
        method: the HTTP method.
        path: path and query, encoded as received.
        body: the body; None if it was too long to keep.
        attempt: 1, or the number of this retry if the same request has just failed.
        status: the status of the response; None if no response reached the client, or not yet.
        fault: the kind of the injected fault; None without one.
        seconds: how long it took; None while it is in flight.
        operation: `identify`, `track`, `add_to_segment` or `find_region`; None for any other path.
        call: the id of the tool call that sent it, from its header; None for any other client.
        headers: names and values, without credentials.
        response: the body of the response; None if none was sent.
        response_headers: names and values.
        person: the cio_id of the person that it is about, if there is one.
        event: the number of the event that it recorded or repeated.
        is_repeat: whether the event had already been recorded by an earlier request with the same id and content.
        drops: the numbers of what the real API would have dropped silently.
    """

    at: FiniteFloat
    method: str
    path: str
    body: str | None
    attempt: int
    status: int | None
    fault: str | None
    seconds: FiniteFloat | None = None
    operation: str | None = None
    call: str | None = None
    headers: Sequence[tuple[str, str]] = ()
    response: str | None = None
    response_headers: Sequence[tuple[str, str]] = ()
    person: str | None = None
    event: int | None = None
    is_repeat: bool = False
    drops: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class Effect:
    """What an operation did, for the log; see the fields of `LoggedRequest`."""

    person: str | None = None
    event: int | None = None
    is_repeat: bool = False
    drops: Sequence[int] = ()


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One tool call of an MCP server, as that server reports it.

    Attributes:
        id: what the server's requests to the sandbox have in their header.
        at: when it began, in UNIX seconds.
        seconds: how long it took.
        tool: the tool's name.
        arguments: as the host sent them.
        result: the payload of the result; None if there was none, for example because the call was canceled.
        is_error: whether the result reports a failure.
        outcome: the server's word for how it ended, such as `ok`, `invalid_arguments` or `joined`.
        meta: the `_meta` of the result.
        client: name and version of the MCP client; empty if it did not say.
    """

    id: str
    at: FiniteFloat
    seconds: FiniteFloat
    tool: str
    arguments: object
    result: Mapping[str, object] | None
    is_error: bool
    outcome: str
    meta: Mapping[str, object] | None = None
    client: str = ""


@dataclass(frozen=True, slots=True)
class Change:
    """A record that was added or replaced. `key` identifies it among the records of its kind."""

    kind: Kind
    key: str
    record: Mapping[str, object]


def record_of(instance: DataclassInstance) -> dict[str, Any]:
    """Return the fields of a dataclass by name.

    Unlike `dataclasses.asdict`, this does not copy the values, which contain client data of any depth.
    """
    return {name: getattr(instance, name) for name in _field_names(type(instance))}


def numbered_records(numbered: Iterator[tuple[int, DataclassInstance]]) -> Iterator[dict[str, object]]:
    """Return the fields of each item of a `BoundedLog`, and its number."""
    return (record_of(item) | {"number": number} for number, item in numbered)


def instance_of(kind: type[Record], record: Mapping[str, object]) -> Record:
    """Return the dataclass with these fields: the opposite of `record_of`.

    Raises:
        ValueError: a field is missing, unknown or of another type. The message does not quote values.
    """
    names = _field_names(kind)
    if unknown := record.keys() - set(names):
        raise ValueError(f"{len(unknown)} unknown fields; the fields are {', '.join(names)}")
    try:
        instance: Record = _adapter(kind).validate_python(record)
    except ValidationError as error:
        problem = error.errors(include_url=False, include_context=False, include_input=False)[0]
        raise ValueError(f"{'.'.join(str(part)[:40] for part in problem['loc'])}: {problem['msg']}") from None
    return instance


@cache
def _field_names(kind: type[DataclassInstance]) -> tuple[str, ...]:
    return tuple(entry.name for entry in fields(kind))


@cache
def _adapter(kind: type[Record]) -> TypeAdapter[Record]:
    return TypeAdapter(kind)
