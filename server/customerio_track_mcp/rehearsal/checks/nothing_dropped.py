"""The check `nothing_dropped`: the real API would have kept all that was sent.

A request that the API rejects with an error status is not a loss: whoever sent it was informed. If its data was needed,
`right_writes` misses it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from customerio_track_mcp.rehearsal.checks.comparison import Comparison
from customerio_track_mcp.rehearsal.shown_text import shown

_OPERATIONS: Final = {"identify": "an update of", "track": "an event of", "add_to_segment": "a segment request for"}


def silent_drops(comparison: Comparison) -> Iterator[str]:
    """Yield a sentence for each thing that the real API would have accepted with 200 and dropped."""
    for drop in comparison.new_drops:
        operation = _OPERATIONS.get(drop.operation, "a request for")
        yield (
            f"{operation} {shown(drop.identifier)} would lose {shown(drop.what)} without an error: {shown(drop.reason)}"
        )
