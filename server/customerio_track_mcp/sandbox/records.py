"""What the sandbox remembers, each thing as one record that can be shown, sent and stored as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

Kind = Literal["person", "event", "segment", "dropped", "request"]


@dataclass(frozen=True, slots=True)
class Event:
    """One event as recorded. `timestamp` is in UNIX seconds, `person` a cio_id, `id` the client's ULID."""

    name: str
    type: str
    person: str
    timestamp: int
    data: Mapping[str, object]
    id: str | None


@dataclass(slots=True)
class Segment:
    """One segment. Only a manual one takes people through the API."""

    id: int
    name: str
    kind: Literal["manual", "data-driven"]
    members: dict[str, None] = field(default_factory=dict)
    """The cio_ids of its people in the order in which they joined."""


@dataclass(frozen=True, slots=True)
class Dropped:
    """Something the real API would have answered 200 and dropped without a word. `at` is in UNIX seconds."""

    operation: str
    identifier: str
    what: str
    reason: str
    at: float


@dataclass(frozen=True, slots=True)
class LoggedRequest:
    """One request to the Track API as it came.

    Attributes:
        at: when it came, in UNIX seconds.
        method: the HTTP method.
        path: path and query as they stood on the wire.
        body: the body; None where it was too long to keep.
        attempt: 1, or one more than the same request just before it that failed.
        status: the status it was answered with; None where no answer reached the client.
        fault: the kind of fault that befell it; None for none.
    """

    at: float
    method: str
    path: str
    body: str | None
    attempt: int
    status: int | None
    fault: str | None


@dataclass(frozen=True, slots=True)
class Change:
    """One record that is new, or new in its contents. `key` names it among its kind."""

    kind: Kind
    key: str
    record: Mapping[str, object]


def record_of(thing: DataclassInstance) -> dict[str, object]:
    """The fields of a dataclass by name, as they are: `asdict` would copy what a client sent, level by level."""
    return {entry.name: getattr(thing, entry.name) for entry in fields(thing)}
