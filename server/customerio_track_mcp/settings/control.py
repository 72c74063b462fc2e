"""Settings with which an operator decides what a model may do, and what is recorded of it."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import BeforeValidator, Field, field_validator

from customerio_track_mcp.settings.allowed_names import (
    AllowedNames,
    attribute_names,
    event_names,
    segment_ids,
    tool_names,
)
from customerio_track_mcp.settings.base import EnvironmentSettings
from customerio_track_mcp.settings.confirmed_tools import ConfirmedTool, validated_confirmed_tools
from customerio_track_mcp.settings.restrictions import Restrictions
from customerio_track_mcp.settings.validators import absolute_path, lower

MAX_RESEND_WINDOW_SECONDS: Final = 86_400

Identifiers = Literal["hash", "clear"]
Fallback = Literal["refuse", "allow"]


class ControlSettings(EnvironmentSettings):
    """What a model may do, and what is recorded. Nothing is restricted, confirmed or recorded unless it is set."""

    prefix = "CUSTOMERIO_"

    resend_window: float = Field(
        default=900.0,
        ge=0,
        le=MAX_RESEND_WINDOW_SECONDS,
        allow_inf_nan=False,
        description="Seconds for which an identical call of send_event is the same event, if the result of the first "
        "was not delivered or its outcome is unknown; 0 turns this off.",
    )
    dry_run: bool = Field(default=False, description="true: do everything but send, as --dry-run does.")
    tools: Annotated[tuple[str, ...] | None, BeforeValidator(tool_names)] = Field(
        default=None, description="Tools that may be used, separated by commas; all by default."
    )
    events: Annotated[tuple[str, ...] | None, BeforeValidator(event_names)] = Field(
        default=None, description="Event names that may be sent, separated by commas, * as a wildcard; all by default."
    )
    segments: Annotated[tuple[str, ...] | None, BeforeValidator(segment_ids)] = Field(
        default=None, description="Numbers of the segments that may be added to, separated by commas; all by default."
    )
    attributes: Annotated[tuple[str, ...] | None, BeforeValidator(attribute_names)] = Field(
        default=None,
        description="Attribute names that may be set besides email, separated by commas, * as a wildcard; all by "
        "default.",
    )
    max_events_per_hour: int | None = Field(
        default=None, ge=1, le=1_000_000_000, description="Maximum of events per hour; unlimited by default."
    )
    max_people_per_hour: int | None = Field(
        default=None,
        ge=1,
        le=1_000_000_000,
        description="Maximum of people per hour that are updated or added to segments; unlimited by default.",
    )
    pause_file: Annotated[Path | None, BeforeValidator(absolute_path)] = Field(
        default=None,
        description="While this file exists, nothing is sent; its first line is the reason that callers see.",
    )
    confirm: Annotated[tuple[ConfirmedTool, ...], BeforeValidator(validated_confirmed_tools)] = Field(
        default=(),
        description="Tools that ask a person first, separated by commas; add_customers_to_segment>50 asks for more "
        "than 50 people.",
    )
    confirm_fallback: Annotated[Fallback, BeforeValidator(lower)] = Field(
        default="refuse", description="refuse or allow: what to do if the host cannot ask a person."
    )
    write_log: Annotated[Path | None, BeforeValidator(absolute_path)] = Field(
        default=None, description="File (absolute path) to which one line of JSON is appended per write."
    )
    write_log_identifiers: Annotated[Identifiers, BeforeValidator(lower)] = Field(
        default="hash", description="hash or clear: how the write log names people."
    )

    @field_validator("pause_file")
    @classmethod
    def _require_folder(cls, path: Path | None) -> Path | None:
        # A misspelled folder would only be noticed when the file is needed.
        if path is not None and not os.path.isdir(path.parent):  # noqa: PTH112 - Path's raises if it may not look
            raise ValueError("the folder of the file does not exist, or cannot be read")
        return path

    @property
    def restrictions(self) -> Restrictions:
        """What the operator allows every caller."""
        return Restrictions(
            tools=self._allowed("tools", self.tools),
            events=self._allowed("events", self.events),
            segments=self._allowed("segments", self.segments),
            attributes=self._allowed("attributes", self.attributes),
        )

    def _allowed(self, field: str, entries: tuple[str, ...] | None) -> AllowedNames | None:
        return AllowedNames(entries, self.variable(field)) if entries is not None else None
