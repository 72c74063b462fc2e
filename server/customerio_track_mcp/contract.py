"""The three tools' arguments and answers, field by field as they are documented.

The published schemas come from these models. The outputs are the documented ones to the letter. The inputs read
what hosts really send: an id as a number, null for an optional argument, an object written as a JSON string.
They judge form only; what the Track API would refuse or drop is `track`'s to know.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Callable, Mapping
from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, WithJsonSchema
from pydantic_core import ErrorDetails, PydanticCustomError

from customerio_track_mcp.track import EventType, IdType, Problem
from customerio_track_mcp.track.limits import (
    ATTRIBUTE_NAME_BYTES,
    ATTRIBUTE_VALUE_BYTES,
    ATTRIBUTES_PER_CALL,
    EVENT_DATA_BYTES,
    EVENT_NAME_BYTES,
    IDENTIFIER_BYTES,
    SEGMENT_IDS_PER_CALL,
)
from customerio_track_mcp.track.payloads import shorten

_MOST_DIGITS = 300  # longer than any limit; Python itself refuses to write down integers of thousands of digits


def _wrong(text: str) -> PydanticCustomError:
    return PydanticCustomError("form", "{text}", {"text": text})


def _identifier(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() < _MOST_DIGITS * 3:
        return str(value)
    if isinstance(value, str):
        return value.strip()
    raise _wrong("has to be a string")


def _text(value: object) -> str:
    if isinstance(value, str):
        return value.strip()
    raise _wrong("has to be a string")


def read_seconds(value: object) -> int | None:
    """A number of UNIX seconds as a host may write it: an integer, a float without a fraction, digits; or null.

    Raises:
        ValueError: it is anything else; the text says what is allowed.
    """
    match value:
        case None:
            return None
        case bool():
            pass
        case int():
            return value
        case float() if value.is_integer():
            return int(value)
        case str() if (digits := value.strip()).isascii() and digits.isdigit() and len(digits) <= _MOST_DIGITS:
            return int(digits)
        case _:
            pass
    raise _wrong("has to be a whole number of UNIX seconds, such as 1767225600 for 2026-01-01T00:00:00Z")


def _parsed(value: object, kind: type, name: str) -> Any:
    """`value`, or what it says where it is a JSON string, as some hosts send objects and arrays."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            raise _wrong(f"has to be {name}; the string that was given is not JSON") from None
    if not isinstance(value, kind):
        raise _wrong(f"has to be {name}")
    return value


def _object(value: object) -> dict[str, Any] | None:
    parsed: dict[str, Any] | None = None if value is None else _parsed(value, dict, "a JSON object")
    return parsed


def _ids(value: object) -> list[Any]:
    parsed: list[Any] = _parsed(value, list, "an array of strings")
    return parsed


def _one_of(choices: type[EventType | IdType], default: IdType | None) -> Callable[[object], object]:
    allowed = ", ".join(choices)

    def choose(value: object) -> object:
        if value is None:
            return default
        if isinstance(value, str) and value in list(choices):
            return choices(value)
        raise _wrong(f"has to be one of {allowed}")

    return choose


def _required_only(schema: dict[str, Any]) -> None:
    """Publish an optional parameter by its documented type: that null counts as absent is only our patience."""
    schema.pop("default", None)


_CUSTOMER_ID = (
    f"The unique identifier for the customer: your own id (at most {IDENTIFIER_BYTES} bytes of UTF-8), or an email "
    "address, or 'cio_' followed by a cio_id."
)
_Identifier = Annotated[str, BeforeValidator(_identifier)]
_Text = Annotated[str, BeforeValidator(_text)]
_Seconds = Annotated[int | None, BeforeValidator(read_seconds), WithJsonSchema({"type": "integer"})]
_Object = Annotated[
    dict[str, Any] | None,
    BeforeValidator(_object),
    WithJsonSchema({"type": "object", "additionalProperties": True}),
]


class ToolInput(BaseModel):
    """What a tool is given. A field that is absent or null holds its default."""

    model_config = ConfigDict(extra="forbid")

    stand_ins: ClassVar[Mapping[str, Any]]
    """For each required argument a faultless value, in whose place the others can still be checked."""


class CreateOrUpdateCustomerInput(ToolInput):
    """Arguments of `create_or_update_customer`."""

    stand_ins: ClassVar = {"customer_id": "1", "email": "ann@example.com"}

    customer_id: _Identifier = Field(description=_CUSTOMER_ID)
    email: _Text = Field(description="The customer's email address: one address alone, such as ann@example.com.")
    created_at: _Seconds = Field(
        default=None,
        description="UNIX timestamp from when the user was created in your system: whole seconds, not milliseconds.",
        json_schema_extra=_required_only,
    )
    attributes: _Object = Field(
        default=None,
        description="Custom attributes (name, plan, company, etc.) to set; others stay as they are, and null clears "
        f"one. With email and created_at at most {ATTRIBUTES_PER_CALL} in one call, names up to "
        f"{ATTRIBUTE_NAME_BYTES} bytes, values up to {ATTRIBUTE_VALUE_BYTES} bytes. Times are UNIX seconds.",
        json_schema_extra=_required_only,
    )


class SendEventInput(ToolInput):
    """Arguments of `send_event`."""

    stand_ins: ClassVar = {"customer_id": "1", "event_name": "event"}

    customer_id: _Identifier = Field(description=_CUSTOMER_ID)
    event_name: _Text = Field(
        description=f"The name of the event to track, at most {EVENT_NAME_BYTES} bytes, exactly as campaigns refer "
        "to it; for a page view the page's URL, for a screen view the screen's name."
    )
    event_type: Annotated[
        EventType | None,
        BeforeValidator(_one_of(EventType, None)),
        WithJsonSchema({"type": "string", "enum": list(EventType)}),
    ] = Field(
        default=None,
        description="Event type modifier (set to 'page' for page views, 'screen' for views of a mobile app's "
        "screen). Leave it out for an event proper.",
        json_schema_extra=_required_only,
    )
    data: _Object = Field(
        default=None,
        description="Custom data to include with the event, for messages to show and campaigns to filter by; at "
        f"most {EVENT_DATA_BYTES} bytes of JSON.",
        json_schema_extra=_required_only,
    )


class AddCustomersToSegmentInput(ToolInput):
    """Arguments of `add_customers_to_segment`."""

    stand_ins: ClassVar = {"segment_id": "1", "customer_ids": ["1"]}

    segment_id: _Identifier = Field(
        description="The segment ID: the whole number that the page of an existing manual segment shows."
    )
    customer_ids: Annotated[list[_Identifier], BeforeValidator(_ids)] = Field(
        description=f"List of customer IDs (max {SEGMENT_IDS_PER_CALL}), all of the one type that id_type says, of "
        "people who exist already.",
        json_schema_extra={"minItems": 1, "maxItems": SEGMENT_IDS_PER_CALL},
    )
    id_type: Annotated[
        IdType,
        BeforeValidator(_one_of(IdType, IdType.ID)),
        WithJsonSchema({"type": "string", "enum": list(IdType)}),
    ] = Field(
        default=IdType.ID,
        description="The type of IDs: 'id', 'email', or 'cio_id' (Default: id). Customer.io ignores IDs of another "
        "type without a word.",
    )


class ToolOutput(BaseModel):
    """What every tool answers.

    `success` tells whether the Track API confirmed the request. A failure says in `error` what happened and what
    to do about it, a success in `message` what was done.
    """

    model_config = ConfigDict(extra="forbid")

    success: bool
    error: str | None = None
    message: str | None = None


class CreateOrUpdateCustomerOutput(ToolOutput):
    """Answer of `create_or_update_customer`."""

    customer_id: str | None = None
    email: str | None = None


class SendEventOutput(ToolOutput):
    """Answer of `send_event`."""

    customer_id: str | None = None
    event_name: str | None = None


class AddCustomersToSegmentOutput(ToolOutput):
    """Answer of `add_customers_to_segment`. `customer_count` is how many different ids were sent."""

    segment_id: str | None = None
    customer_count: int | None = None
    id_type: str | None = None


Input = TypeVar("Input", bound=ToolInput)


def read_arguments(model: type[Input], arguments: Mapping[str, object]) -> tuple[Input, list[Problem]]:
    """What a tool was given, and what is wrong with its form.

    Where a required argument is wrong its stand-in takes its place, and an optional one counts as absent: the
    rest can then be checked too, and all problems be told at once.
    """
    try:
        return model.model_validate(arguments), []
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
    wrong = {str(detail["loc"][0]) for detail in details}
    rest = {name: value for name, value in arguments.items() if name not in wrong}
    stand_ins = {name: value for name, value in model.stand_ins.items() if name in wrong}
    return model.model_validate(rest | stand_ins), [_problem(detail, model) for detail in details]


def input_schema(model: type[ToolInput]) -> dict[str, Any]:
    """The JSON Schema (2020-12) to publish for a tool's arguments."""
    return _without_description(model.model_json_schema())


def output_schema(model: type[ToolOutput]) -> dict[str, Any]:
    """The JSON Schema (2020-12) to publish for a tool's answers."""
    return _without_description(model.model_json_schema())


def _without_description(schema: dict[str, Any]) -> dict[str, Any]:
    # pydantic takes the class's docstring for it, which speaks to developers.
    return {key: value for key, value in schema.items() if key != "description"}


def _problem(detail: ErrorDetails, model: type[ToolInput]) -> Problem:
    name, *path = detail["loc"]
    parameter = f"{name}{''.join(f'[{part}]' for part in path)}"
    if detail["type"] == "missing":
        return Problem(parameter, "is required and was not given")
    if detail["type"] == "extra_forbidden":
        known = list(model.model_fields)
        close = difflib.get_close_matches(str(name), known, n=1)
        meant = f"did you mean {close[0]}? " if close else ""
        return Problem(shorten(parameter, 80), f"is no parameter of this tool; {meant}allowed are {', '.join(known)}")
    return Problem(parameter, detail["msg"])
