"""Every write that was attempted: recorded, dropped, rejected by the API, or only asked for in a tool call."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from customerio_track_mcp.rehearsal.checks.comparison import Comparison
from customerio_track_mcp.rehearsal.checks.requests import (
    body_of,
    id_type_of,
    object_of,
    parsed_json,
    subject_of,
)
from customerio_track_mcp.rehearsal.snapshot import ReportedCall
from customerio_track_mcp.sandbox import Dropped, Request

_QUOTED_IN_DROP: Final = re.compile(r"(event|attribute) (['\"].*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class AttemptedWrite:
    """One write to one person. An update has neither `event` nor `segment`.

    Attributes:
        person: an identifier of the person, as it was sent.
        how: what became of it, as the end of a sentence.
        event: the name of the event.
        segment: the number of the segment.
        values: the data of the event, or the attributes of the update, with `id` and `email`.
    """

    person: str
    how: str = "it was recorded"
    event: str | None = None
    segment: str | None = None
    values: Mapping[str, object] = field(default_factory=dict)


def attempted_writes(comparison: Comparison) -> Iterator[AttemptedWrite]:
    """Yield the writes after the start, some of them several times: as they were recorded, sent, and called for."""
    yield from _recorded(comparison)
    for request in comparison.new_requests:
        yield from _of_request(request)
    for call in comparison.new_calls:
        yield from _of_call(call)


def _recorded(comparison: Comparison) -> Iterator[AttemptedWrite]:
    """Yield what the state shows. A request may not be in the log any more, or without its body."""
    for new in comparison.new_events:
        yield AttemptedWrite(f"cio_{new.event.person.cio_id}", event=new.event.name, values=new.event.data)
    for person in comparison.end.people:
        before = comparison.people_before.by_cio_id.get(person.cio_id)
        cleared = {} if before is None else dict.fromkeys(before.attributes)
        values = {**cleared, "id": person.id, "email": person.email, **person.attributes}
        yield AttemptedWrite(f"cio_{person.cio_id}", values=values)
    members_before = {
        (segment.id, person.cio_id) for segment in comparison.start.segments for person in segment.members
    }
    for segment in comparison.end.segments:
        for person in segment.members:
            if (segment.id, person.cio_id) not in members_before:
                yield AttemptedWrite(f"cio_{person.cio_id}", segment=str(segment.id))


def _of_request(request: Request) -> Iterator[AttemptedWrite]:
    if request.body is None:  # too long for the log
        for drop in request.dropped:
            yield from _of_drop(drop)
    subject, body, how = subject_of(request), body_of(request), _how(request)
    match request.operation:
        case "identify":
            yield AttemptedWrite(subject, how, values=body)
        case "track":
            yield AttemptedWrite(subject, how, event=_text(body.get("name")), values=object_of(body.get("data")))
        case "add_to_segment":
            for member in _members(body.get("ids"), id_type_of(request)):
                yield AttemptedWrite(member, how, segment=subject)


def _how(request: Request) -> str:
    if request.status is None:
        return "it was sent, and no response reached the client"
    if request.status >= 300:
        return f"it was sent, and got the status {request.status}"
    return "it was sent, and the real API would have dropped it" if request.dropped else "it was sent"


def _of_drop(drop: Dropped) -> Iterator[AttemptedWrite]:
    """Yield what a drop names: an event, or an attribute."""
    quoted = _QUOTED_IN_DROP.fullmatch(drop.what)
    if quoted is None:
        return
    try:
        name = str(ast.literal_eval(quoted[2]))
    except (ValueError, SyntaxError):
        return
    how = "it was sent, and the real API would have dropped it"
    if quoted[1] == "event":
        yield AttemptedWrite(drop.identifier, how, event=name)
    else:
        yield AttemptedWrite(drop.identifier, how, values={name: None})


def _of_call(call: ReportedCall) -> Iterator[AttemptedWrite]:
    """Yield what a tool call asked for, in the forms in which hosts send arguments."""
    arguments = object_of(call.arguments)
    person, how = _text(arguments.get("customer_id")), "a tool was called for it"
    match call.tool:
        case "create_or_update_customer":
            values = object_of(arguments.get("attributes"))
            # Also what the tool has no parameter for: a model may pass an attribute beside `attributes`.
            others = {
                name: value
                for name, value in arguments.items()
                if name not in ("customer_id", "attributes") and value is not None
            }
            yield AttemptedWrite(person, how, values={**values, **others})
        case "send_event":
            event = _text(arguments.get("event_name"))
            yield AttemptedWrite(person, how, event=event, values=object_of(arguments.get("data")))
        case "add_customers_to_segment":
            members = parsed_json(arguments.get("customer_ids"))
            for member in _members(members, _text(arguments.get("id_type"))):
                yield AttemptedWrite(member, how, segment=_text(arguments.get("segment_id")))


def _members(ids: object, id_type: str) -> Sequence[str]:
    members = [_text(member) for member in (ids if isinstance(ids, list) else [ids])]
    if id_type == "cio_id":
        return [f"cio_{member.removeprefix('cio_')}" for member in members]
    return members


def _text(value: Any) -> str:
    """Return a name or an identifier as text. Hosts also send numbers for it."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, str):
        return value.strip()
    return str(value) if isinstance(value, int) else ""
