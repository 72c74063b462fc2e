"""What a result's `_meta` reports about the call: for programs, since the documented payload is for the model."""

from __future__ import annotations

from typing import Any, Final

from customerio_track_mcp.control.call import Call

REQUEST_ID: Final = "customerio-track-mcp/request-id"
ATTEMPTS: Final = "customerio-track-mcp/attempts"
EVENT_ID: Final = "customerio-track-mcp/event-id"
JOINED: Final = "customerio-track-mcp/joined"
REUSED: Final = "customerio-track-mcp/reused"
DRY_RUN: Final = "customerio-track-mcp/dry-run"


def result_meta(call: Call) -> dict[str, Any]:
    """Return the `_meta` of a result.

    It contains the request id and the number of attempts, which is 0 if nothing was sent; the event id if an event was
    at least tried; and whether the call was joined, reuses an event id, or is a dry run, if that is so. The attempts of
    a joined call are those of the call that was sent.
    """
    record = call.record
    meta: dict[str, Any] = {REQUEST_ID: call.caller.request_id, ATTEMPTS: record.progress.attempts}
    if record.event_id and record.progress.attempts:
        meta[EVENT_ID] = record.event_id
    if record.is_joined:
        meta[JOINED] = True
    if record.is_reused:
        meta[REUSED] = True
    if record.is_dry_run:
        meta[DRY_RUN] = True
    return meta
