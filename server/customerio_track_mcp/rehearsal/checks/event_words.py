"""How an event and its data appear in a finding."""

from __future__ import annotations

from collections.abc import Mapping

from customerio_track_mcp.rehearsal.checks.comparison import Comparison
from customerio_track_mcp.rehearsal.matchers import described
from customerio_track_mcp.rehearsal.shown_text import shown
from customerio_track_mcp.sandbox import Event

_MAX_KEYS = 5
"""Keys that are shown of an object."""


def described_event(comparison: Comparison, event: Event) -> str:
    """Return the name and the person of an event."""
    kind = "event" if event.type == "event" else f"{event.type} view"
    return f"the {kind} {shown(event.name)} of {comparison.name_of(event.person.cio_id)}"


def described_data(data: Mapping[str, object]) -> str:
    """Return the first keys of an object with their values, actual or expected."""
    if not data:
        return "no data"
    texts = [f"{shown(key)} = {described(data[key])}" for key in list(data)[:_MAX_KEYS]]
    return ", ".join(texts) + (f" and {len(data) - _MAX_KEYS} more" if len(data) > _MAX_KEYS else "")
