"""Give an event another id."""

from __future__ import annotations

from dataclasses import replace

from customerio_track_mcp.control.call import Call
from customerio_track_mcp.control.write import Write


def use_event_id(write: Write, call: Call, event_id: str) -> Write:
    """Return the event with this id, which is also recorded as that of the call."""
    call.record.event_id = event_id
    return replace(write, request=write.request.with_event_id(event_id))
