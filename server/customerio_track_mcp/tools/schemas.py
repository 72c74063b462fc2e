"""The tools' parameters and results, field by field as documented, and the JSON Schemas published for them.

The output models mirror the documentation exactly. The input models check the form of a value; the vendor's limits are
checked by `track`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Final

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, WithJsonSchema

from customerio_track_mcp.tools.event_time import NO_BACKDATING
from customerio_track_mcp.tools.fields import EventName, Identifier, Identifiers, JsonObject, Seconds, Text, one_of
from customerio_track_mcp.track import EventType, IdType, is_time_name, limits

_SURROGATES: Final = re.compile("[\ud800-\udfff]")


def _optional(schema: dict[str, Any]) -> None:
    """Publish an optional parameter with its documented type: accepting null is leniency, not part of the contract."""
    schema.pop("default", None)


_CUSTOMER_ID = (
    f"The unique identifier for the customer: your own id (up to {limits.IDENTIFIER_BYTES} bytes of UTF-8), an email "
    "address, or 'cio_' followed by a cio_id."
)


class ToolInput(BaseModel):
    """Base class of tool inputs. An optional field that is absent or null has its default.

    Unknown parameters are reported by `parse_arguments`. The published schemas do not forbid them: a boolean
    `additionalProperties` breaks google-genai (https://github.com/googleapis/python-genai/issues/2393).
    """

    placeholders: ClassVar[Mapping[str, Any]]
    """A valid value for each required parameter, used to validate the others if that one is invalid."""

    @classmethod
    def explain_unknown(cls, name: str) -> str:
        """Return why the tool has no parameter `name`, for a caller who may expect it; empty if it is not expected."""
        del name
        return ""


class CreateOrUpdateCustomerInput(ToolInput):
    """Parameters of `create_or_update_customer`."""

    placeholders: ClassVar = {"customer_id": "1", "email": "ann@example.com"}

    customer_id: Identifier = Field(description=_CUSTOMER_ID)
    email: Text = Field(description="The customer's email address: exactly one, for example ann@example.com.")
    created_at: Seconds = Field(
        default=None,
        description="UNIX timestamp from when the user was created in your system: whole seconds, not milliseconds.",
        json_schema_extra=_optional,
    )
    attributes: JsonObject = Field(
        default=None,
        description="Custom attributes (name, plan, company, etc.) to set. Other attributes keep their values; null "
        f"clears one. Up to {limits.ATTRIBUTES_PER_CALL} per call including email and created_at; names up to "
        f"{limits.ATTRIBUTE_NAME_BYTES} bytes, values up to {limits.ATTRIBUTE_VALUE_BYTES} bytes. Times are UNIX "
        "seconds.",
        json_schema_extra=_optional,
    )


class SendEventInput(ToolInput):
    """Parameters of `send_event`."""

    placeholders: ClassVar = {"customer_id": "1", "event_name": "event"}

    customer_id: Identifier = Field(description=_CUSTOMER_ID)
    event_name: EventName = Field(
        description=f"The name of the event to track, up to {limits.EVENT_NAME_BYTES} bytes, exactly as campaigns "
        "refer to it. For a page view, the page's URL; for a screen view, the screen's name."
    )
    event_type: Annotated[
        EventType | None,
        BeforeValidator(one_of(EventType, None)),
        WithJsonSchema({"type": "string", "enum": list(EventType)}),
    ] = Field(
        default=None,
        description="Event type modifier (set to 'page' for page views, 'screen' for screen views in a mobile app). "
        "Omit it for other events.",
        json_schema_extra=_optional,
    )
    data: JsonObject = Field(
        default=None,
        description="Custom data to include with the event, for use in messages and campaign filters; up to "
        f"{limits.EVENT_DATA_BYTES} bytes of JSON.",
        json_schema_extra=_optional,
    )

    @classmethod
    def explain_unknown(cls, name: str) -> str:
        """Return that an event has no time of its own, if `name` is that of a time."""
        return NO_BACKDATING if is_time_name(name) else ""


class AddCustomersToSegmentInput(ToolInput):
    """Parameters of `add_customers_to_segment`."""

    placeholders: ClassVar = {"segment_id": "1", "customer_ids": ["1"]}

    segment_id: Identifier = Field(
        description="The segment ID: the whole number shown on the page of an existing manual segment."
    )
    customer_ids: Identifiers = Field(
        description=f"List of customer IDs (max {limits.SEGMENT_IDS_PER_CALL}) of existing people, all of the type "
        "given in id_type.",
        json_schema_extra={"minItems": 1, "maxItems": limits.SEGMENT_IDS_PER_CALL},
    )
    id_type: Annotated[
        IdType,
        BeforeValidator(one_of(IdType, IdType.ID)),
        WithJsonSchema({"type": "string", "enum": list(IdType)}),
    ] = Field(
        default=IdType.ID,
        description="The type of IDs: 'id', 'email', or 'cio_id' (Default: id). Customer.io silently ignores IDs of "
        "any other type.",
    )


def _encodable(text: str) -> str:
    """Replace lone surrogates, which no response can contain."""
    return text if text.isascii() else _SURROGATES.sub("\N{REPLACEMENT CHARACTER}", text)


OutputText = Annotated[str, AfterValidator(_encodable)]


class ToolOutput(BaseModel):
    """Base class of tool results. Every text is valid Unicode, whatever it repeats.

    Attributes:
        success: whether the Track API confirmed the request.
        error: on failure, what happened and what to do next.
        message: on success, what was done.
    """

    model_config = ConfigDict(extra="forbid")

    success: bool
    error: OutputText | None = None
    message: OutputText | None = None


class CreateOrUpdateCustomerOutput(ToolOutput):
    """Result of `create_or_update_customer`."""

    customer_id: OutputText | None = None
    email: OutputText | None = None


class SendEventOutput(ToolOutput):
    """Result of `send_event`."""

    customer_id: OutputText | None = None
    event_name: OutputText | None = None


class AddCustomersToSegmentOutput(ToolOutput):
    """Result of `add_customers_to_segment`. `customer_count` is the number of distinct ids that were sent."""

    segment_id: OutputText | None = None
    customer_count: int | None = None
    id_type: OutputText | None = None


def published_schema(model: type[ToolInput | ToolOutput]) -> dict[str, Any]:
    """Return the JSON Schema (2020-12) to publish for a tool's parameters or result."""
    # pydantic uses the class docstring as the description, but that is written for developers.
    return {key: value for key, value in model.model_json_schema().items() if key != "description"}
