"""The dry run: everything but the request."""

from __future__ import annotations

from customerio_track_mcp.control.call import Call
from customerio_track_mcp.control.chain import Send
from customerio_track_mcp.control.write import Write


class DryRun:
    """Does not send a write. It is the last control, so that the others decide as they do for a request."""

    async def __call__(self, write: Write, call: Call, proceed: Send) -> None:
        """Return None: nothing was sent. Record the event id that the controls before have chosen."""
        del proceed
        call.record.event_id = write.request.event_id or ""
