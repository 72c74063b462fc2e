"""A valid tool call that has not been sent."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from customerio_track_mcp.track import TrackRequest


@dataclass(frozen=True, slots=True)
class Write:
    """What a valid tool call asks for.

    Attributes:
        tool: the tool's name.
        request: what is sent for it.
        person: the identifier of the person that it is about; None if it is about several. Personal data.
        event_name: the name of the event; empty if it is not one.
        event_type: its type, as the Track API takes it; empty if it is not one.
        event_data: its data; None without any.
        segment_id: the number of the segment; empty if it is not about one.
        attributes: the names of the attributes that it sets, `email` and `created_at` included.
    """

    tool: str
    request: TrackRequest
    person: str | None = None
    event_name: str = ""
    event_type: str = ""
    event_data: Mapping[str, object] | None = None
    segment_id: str = ""
    attributes: Collection[str] = ()
