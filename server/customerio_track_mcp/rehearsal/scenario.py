"""The model of a scenario: what an agent is asked, what it finds, and what it must and must not write.

`docs/rehearse.md` describes the file. Values that are expected may be matchers; see `matchers`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal, Self

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, InstanceOf, model_validator

from customerio_track_mcp.rehearsal.matchers import ANY, AnyValue, Matches, OneOf

PEOPLE_PLACEHOLDER: Final = "{people}"
"""What a prompt contains in place of the starting people."""

MAX_COUNT: Final = 100
"""Events of one entry of `expect`."""
MAX_ENTRIES: Final = 1000
"""Entries of one list."""

_SETTING: Final = "CUSTOMERIO_"

EventType = Literal["event", "page", "screen"]
Operation = Literal["identify", "track", "add_to_segment", "find_region"]


def _text_of_number(value: object) -> object:
    """Accept a whole number where a text belongs: `id: 1042` is the id "1042"."""
    return str(value) if type(value) is int else value


def _text_of_setting(value: object) -> object:
    return str(value).lower() if isinstance(value, bool) else _text_of_number(value)


def _json_only(value: object) -> object:
    """Reject matchers where a value is sent, rather than compared."""
    match value:
        case AnyValue() | Matches() | OneOf():
            raise ValueError("!any, !matches and !one_of are for what is expected; write the value itself")
        case Mapping():
            for member in value.values():
                _json_only(member)
        case list():
            for member in value:
                _json_only(member)
    return value


def _without_null(text: str) -> str:
    if "\0" in text:
        raise ValueError("contains a null character, which no command accepts")
    return text


def _not_blank(text: str) -> str:
    if text.isspace():
        raise ValueError("is blank; expected a text")
    return text


def _setting_name(name: str) -> str:
    if not name.startswith(_SETTING):
        raise ValueError(f"expected the name of a setting of the MCP server, which begins with {_SETTING}")
    return name


Text = Annotated[str, Field(min_length=1)]
Identifier = Annotated[Text, BeforeValidator(_text_of_number)]
"""An id, an email address, or `cio_` and a cio_id. A whole number is its digits."""
SegmentNumber = Annotated[int, Field(strict=True, ge=1, lt=10**10)]
JsonObject = Annotated[dict[str, Any], AfterValidator(_json_only)]
"""A mapping of JSON values, without matchers."""
Matcher = InstanceOf[Matches] | InstanceOf[OneOf] | InstanceOf[AnyValue]
ExpectedObject = dict[str, Any]
"""A mapping of expected values: JSON or matchers. The key `"*"` stands for every key that is not named."""


class ScenarioError(Exception):
    """A scenario cannot be used. The text contains each problem on a line.

    Attributes:
        problems: what is wrong, where, and what is accepted: a sentence each.
    """

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("\n".join(self.problems))


class Part(BaseModel):
    """Base class of the parts of a scenario: unknown keys are rejected, and nothing changes later."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)


class StartingPerson(Part):
    """A person who is there at the start.

    Attributes:
        id: the id; None if the person is known by an email address alone.
        email: the email address; None without one.
        attributes: the other attributes.
    """

    id: Identifier | None = None
    email: Text | None = None
    attributes: JsonObject = Field(default_factory=dict)

    @model_validator(mode="after")
    def _has_identifier(self) -> Self:
        if self.id is None and self.email is None:
            raise ValueError("a person needs an id or an email")
        return self


class StartingSegment(Part):
    """A segment that is there at the start. It replaces the sandbox's own segment of this number.

    Attributes:
        id: its number.
        name: its name.
        kind: whether people can be added to it.
        members: the starting people in it, by id or email.
    """

    id: SegmentNumber
    name: Text
    kind: Literal["manual", "data-driven"] = "manual"
    members: tuple[Identifier, ...] = ()


class StartingEvent(Part):
    """An event that was recorded before the start.

    Attributes:
        person: whose it is, by id or email.
        name: its name.
        type: its type.
        data: its data.
        timestamp: when it happened, in UNIX seconds; None for the time of the start.
    """

    person: Identifier
    name: Text
    type: EventType = "event"
    data: JsonObject = Field(default_factory=dict)
    timestamp: Annotated[int, Field(strict=True, ge=0)] | None = None


class _Fault(Part):
    count: Annotated[int, Field(strict=True, ge=1, le=1000)] = 1
    operation: Operation | None = None


class StatusFault(_Fault):
    """The request is not carried out; the response has an error status."""

    kind: Literal["status"]
    status: Annotated[int, Field(strict=True, ge=400, le=599)]
    retry_after: Annotated[str, BeforeValidator(_text_of_number)] | None = None


class DelayFault(_Fault):
    """The request is carried out, and the response is delayed by a number of seconds."""

    kind: Literal["delay"]
    seconds: Annotated[float, Field(strict=True, gt=0, le=600)]


class ResetFault(_Fault):
    """The connection is reset before the request is carried out."""

    kind: Literal["reset"]


class LostReplyFault(_Fault):
    """The request is carried out, and the connection is reset before the response."""

    kind: Literal["lost_reply"]


class RedirectFault(_Fault):
    """The request is not carried out; the response is a redirect, by default to the EU host."""

    kind: Literal["redirect"]
    location: Text | None = None


Fault = Annotated[StatusFault | DelayFault | ResetFault | LostReplyFault | RedirectFault, Field(discriminator="kind")]


class ExpectedPerson(Part):
    """What must be true of a person at the end. A person who is not there at the start is a new one.

    Attributes:
        person: an id or email of the person, at the start or, for a new one, at the end.
        id: the id at the end, if it changes.
        email: the email address at the end, if it changes or the person is new.
        attributes: the attributes that change. Null expects that the person does not have it.
    """

    person: Identifier
    id: Identifier | Matcher | None = None
    email: Text | Matcher | None = None
    attributes: ExpectedObject = Field(default_factory=dict)


class ExpectedEvent(Part):
    """An event that must be recorded.

    Attributes:
        person: whose it is, by id or email.
        name: its name.
        type: its type.
        data: its data. `!any` for any; without it, the event has none.
        count: how many of these events.
    """

    person: Identifier
    name: Text
    type: EventType = "event"
    data: ExpectedObject | InstanceOf[AnyValue] = Field(default_factory=dict)
    count: Annotated[int, Field(strict=True, ge=1, le=MAX_COUNT)] = 1


class ExpectedMembers(Part):
    """People who must be added to a segment.

    Attributes:
        id: the segment's number.
        members: the people, by id or email.
    """

    id: SegmentNumber
    members: Annotated[tuple[Identifier, ...], Field(min_length=1)]


class Expectations(Part):
    """What must have changed at the end."""

    people: Annotated[tuple[ExpectedPerson, ...], Field(max_length=MAX_ENTRIES)] = ()
    events: Annotated[tuple[ExpectedEvent, ...], Field(max_length=MAX_ENTRIES)] = ()
    segments: Annotated[tuple[ExpectedMembers, ...], Field(max_length=MAX_ENTRIES)] = ()


class AllowedPerson(Part):
    """What may change of people.

    Attributes:
        person: an id or email; `*` in it stands for any characters. A new person who matches may be added.
        id: the id that may be set.
        email: the email address that may be set.
        attributes: the attributes that may change, and to which values; names may contain `*`. `!any` for all.
    """

    person: Identifier
    id: Identifier | Matcher | None = None
    email: Text | Matcher | None = None
    attributes: ExpectedObject | InstanceOf[AnyValue] = Field(default_factory=dict)


class AllowedEvent(Part):
    """Events that may be recorded.

    Attributes:
        person: an id or email; `*` in it stands for any characters.
        name: the name, which may contain `*`.
        type: the type; None for each.
        data: the data; by default any.
        count: how many at most; None for any number.
    """

    person: Identifier
    name: Text
    type: EventType | None = None
    data: ExpectedObject | InstanceOf[AnyValue] = ANY
    count: Annotated[int, Field(strict=True, ge=1, le=MAX_COUNT)] | None = None


class AllowedMembers(Part):
    """People who may be added to a segment.

    Attributes:
        id: the segment's number.
        members: ids or emails, which may contain `*`. By default anybody.
    """

    id: SegmentNumber
    members: tuple[Identifier, ...] = ("*",)


class Allowances(Part):
    """What may change, but need not."""

    people: Annotated[tuple[AllowedPerson, ...], Field(max_length=MAX_ENTRIES)] = ()
    events: Annotated[tuple[AllowedEvent, ...], Field(max_length=MAX_ENTRIES)] = ()
    segments: Annotated[tuple[AllowedMembers, ...], Field(max_length=MAX_ENTRIES)] = ()


class ForbiddenWrite(Part):
    """A write that must not even be attempted. All that is given must match one write; `*` stands for any characters.

    Attributes:
        event: the name of an event.
        segment: the number or the name of a segment that people are added to.
        attribute: the name of a person's attribute (`id` and `email` included); with `event`, a key of its data.
        value: the value of the attribute or key; without it, any.
        person: an id or email of the person.
        because: why it is forbidden, for the finding.
        said_by: whose text asked for it, such as "the attribute note of 1042". With it, the write counts as obeyed.
    """

    event: Text | None = None
    segment: Identifier | None = None
    attribute: Text | None = None
    value: Any = ANY
    person: Identifier | None = None
    because: Text | None = None
    said_by: Text | None = None

    @model_validator(mode="after")
    def _is_a_pattern(self) -> Self:
        if self.event is None and self.segment is None and self.attribute is None and self.person is None:
            raise ValueError("expected at least one of event, segment, attribute and person")
        if self.segment is not None and (self.event is not None or self.attribute is not None):
            raise ValueError("segment cannot be combined with event or attribute, since no write has both")
        if "value" in self.model_fields_set and self.attribute is None:
            raise ValueError("value needs attribute, whose value it is")
        return self


class Scenario(Part):
    """One rehearsal of an agent.

    Attributes:
        title: what is rehearsed, in one line.
        prompt: what the agent is asked; see `prompt_text`.
        people: the people at the start.
        segments: segments in addition to the sandbox's three, or in place of them.
        events: the events before the start.
        faults: the faults that wait for requests at the start.
        settings: settings of the MCP server, by the names of their environment variables.
        expect: what must have changed at the end.
        allow: what may have changed.
        forbidden: what must not be attempted.
    """

    title: Annotated[Text, AfterValidator(_not_blank)]
    prompt: Annotated[Text, AfterValidator(_not_blank), AfterValidator(_without_null)]
    people: Annotated[tuple[StartingPerson, ...], Field(max_length=MAX_ENTRIES)] = ()
    segments: Annotated[tuple[StartingSegment, ...], Field(max_length=MAX_ENTRIES)] = ()
    events: Annotated[tuple[StartingEvent, ...], Field(max_length=MAX_ENTRIES)] = ()
    faults: Annotated[tuple[Fault, ...], Field(max_length=MAX_ENTRIES)] = ()
    settings: dict[Annotated[str, AfterValidator(_setting_name)], Annotated[str, BeforeValidator(_text_of_setting)]] = (
        Field(default_factory=dict)
    )
    expect: Expectations = Expectations()
    allow: Allowances = Allowances()
    forbidden: Annotated[tuple[ForbiddenWrite, ...], Field(max_length=MAX_ENTRIES)] = ()

    @property
    def prompt_text(self) -> str:
        """The prompt, with `{people}` replaced by the starting people, one JSON object a line."""
        people = "\n".join(json.dumps(person.model_dump(), ensure_ascii=False) for person in self.people)
        return self.prompt.replace(PEOPLE_PLACEHOLDER, people)
