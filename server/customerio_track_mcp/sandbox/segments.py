"""A segment to add: what `POST /_sandbox/segments` accepts, and a program passes to `add_segment`."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator

from customerio_track_mcp.sandbox.bounds import MAX_SEGMENT_NAME_CHARACTERS

SegmentKind = Literal["manual", "data-driven"]


class NewSegment(BaseModel):
    """A segment without its members."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)

    id: int = Field(ge=1, lt=10**10)
    name: str = Field(max_length=MAX_SEGMENT_NAME_CHARACTERS)
    kind: SegmentKind = "manual"

    @field_validator("name")
    @classmethod
    def _reject_blank(cls, name: str) -> str:
        if not name.strip():
            raise ValueError("must not be blank")
        return name
