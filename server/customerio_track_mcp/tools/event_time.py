"""What the tools say of the time of an event, which they cannot set."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from customerio_track_mcp.track import EVENT_TIME, TrackRequest

NO_BACKDATING: Final = "events are recorded as of now and cannot be backdated here"


def as_of_now(event: TrackRequest) -> TrackRequest:
    """Return `event` with notes for a caller that cannot pass a timestamp."""
    if not event.notes:
        return event
    return replace(event, notes=tuple(note.replace(EVENT_TIME, NO_BACKDATING) for note in event.notes))
