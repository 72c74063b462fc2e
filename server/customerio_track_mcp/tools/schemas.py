"""The three tools' arguments and answers, field by field as they are documented.

The published schemas come from these models. The outputs are the documented ones to the letter. The inputs judge
form only; what the Track API would refuse or drop is `track`'s to know.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, WithJsonSchema
from pydantic_core import ErrorDetails

from customerio_track_mcp.tools.fields import Identifier, Identifiers, JsonObject, Seconds, Text, one_of
from customerio_track_mcp.track import EventType, IdType, Problem
from customerio_track_mcp.track.validation.attributes import shorten
from customerio_track_mcp.track.validation.limits import (
    ATTRIBUTE_NAME_BYTES,
    ATTRIBUTE_VALUE_BYTES,
    ATTRIBUTES_PER_CALL,
    EVENT_DATA_BYTES,
    EVENT_NAME_BYTES,
    IDENTIFIER_BYTES,
    SEGMENT_IDS_PER_CALL,
)


def _required_only(schema: dict[str, Any]) -> None:
    """Publish an optional parameter by its documented type: that null counts as absent is only our patience."""
    schema.pop("default", None)


_CUSTOMER_ID = (
    f"The unique identifier for the customer: your own id (at most {IDENTIFIER_BYTES} bytes of UTF-8), or an email "
    "address, or 'cio_' followed by a cio_id."
)


class ToolInput(BaseModel):
    """What a tool is given. A field that is absent or null holds its default."""

    model_config = ConfigDict(extra="forbid")

    stand_ins: ClassVar[Mapping[str, Any]]
    """For each required argument a faultless value, in whose place the others can still be checked."""


class CreateOrUpdateCustomerInput(ToolInput):
    """Arguments of `create_or_update_customer`."""

    stand_ins: ClassVar = {"customer_id": "1", "email": "ann@example.com"}

    customer_id: Identifier = Field(description=_CUSTOMER_ID)
    email: Text = Field(description="The customer's email address: one address alone, such as ann@example.com.")
    created_at: Seconds = Field(
        default=None,
        description="UNIX timestamp from when the user was created in your system: whole seconds, not milliseconds.",
        json_schema_extra=_required_only,
    )
    attributes: JsonObject = Field(
        default=None,
        description="Custom attributes (name, plan, company, etc.) to set; others stay as they are, and null clears "
        f"one. With email and created_at at most {ATTRIBUTES_PER_CALL} in one call, names up to "
        f"{ATTRIBUTE_NAME_BYTES} bytes, values up to {ATTRIBUTE_VALUE_BYTES} bytes. Times are UNIX seconds.",
        json_schema_extra=_required_only,
    )


class SendEventInput(ToolInput):
    """Arguments of `send_event`."""

    stand_ins: ClassVar = {"customer_id": "1", "event_name": "event"}

    customer_id: Identifier = Field(description=_CUSTOMER_ID)
    event_name: Text = Field(
        description=f"The name of the event to track, at most {EVENT_NAME_BYTES} bytes, exactly as campaigns refer "
        "to it; for a page view the page's URL, for a screen view the screen's name."
    )
    event_type: Annotated[
        EventType | None,
        BeforeValidator(one_of(EventType, None)),
        WithJsonSchema({"type": "string", "enum": list(EventType)}),
    ] = Field(
        default=None,
        description="Event type modifier (set to 'page' for page views, 'screen' for views of a mobile app's "
        "screen). Leave it out for an event proper.",
        json_schema_extra=_required_only,
    )
    data: JsonObject = Field(
        default=None,
        description="Custom data to include with the event, for messages to show and campaigns to filter by; at "
        f"most {EVENT_DATA_BYTES} bytes of JSON.",
        json_schema_extra=_required_only,
    )


class AddCustomersToSegmentInput(ToolInput):
    """Arguments of `add_customers_to_segment`."""

    stand_ins: ClassVar = {"segment_id": "1", "customer_ids": ["1"]}

    segment_id: Identifier = Field(
        description="The segment ID: the whole number that the page of an existing manual segment shows."
    )
    customer_ids: Identifiers = Field(
        description=f"List of customer IDs (max {SEGMENT_IDS_PER_CALL}), all of the one type that id_type says, of "
        "people who exist already.",
        json_schema_extra={"minItems": 1, "maxItems": SEGMENT_IDS_PER_CALL},
    )
    id_type: Annotated[
        IdType,
        BeforeValidator(one_of(IdType, IdType.ID)),
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


_MOST_PROBLEMS = 100

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
    wrong = {str(place) for detail in details for place in detail["loc"][:1]}
    rest = {name: value for name, value in arguments.items() if name in model.model_fields and name not in wrong}
    stand_ins = {name: value for name, value in model.stand_ins.items() if name in wrong}
    return model.model_validate(rest | stand_ins), [_problem(detail, model) for detail in details[:_MOST_PROBLEMS]]


def published_schema(model: type[ToolInput | ToolOutput]) -> dict[str, Any]:
    """The JSON Schema (2020-12) to publish for a tool's arguments or answers."""
    # pydantic takes the class's docstring for the description, which speaks to developers.
    return {key: value for key, value in model.model_json_schema().items() if key != "description"}


def _problem(detail: ErrorDetails, model: type[ToolInput]) -> Problem:
    name, *path = detail["loc"] or ("(a name that is no text)",)
    parameter = f"{name}{''.join(f'[{part}]' for part in path)}"
    if detail["type"] == "missing":
        return Problem(parameter, "is required and was not given")
    if detail["type"] in ("extra_forbidden", "invalid_key"):
        known = list(model.model_fields)
        close = difflib.get_close_matches(str(name), known, n=1)
        meant = f"did you mean {close[0]}? " if close else ""
        return Problem(shorten(parameter, 80), f"is no parameter of this tool; {meant}allowed are {', '.join(known)}")
    return Problem(parameter, detail["msg"])
