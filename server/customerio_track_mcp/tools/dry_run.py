"""The message of a dry run: the request that was not sent."""

from __future__ import annotations

from typing import Final

from customerio_track_mcp.track import TrackRequest

_MAX_BODY_BYTES: Final = 4000
"""A model reads it with every result, and the longest body is 100 kB."""


def dry_run_message(request: TrackRequest) -> str:
    """Return the message of a call in a dry run, which shows method, path and body as they would be sent.

    Args:
        request: what was not sent.
    """
    notes = "".join(f" {note}" for note in request.notes)
    return f"Dry run: nothing was sent.{notes} The request would be: {request.method} {request.path}{_body(request)}"


def _body(request: TrackRequest) -> str:
    content = request.content or b""
    if len(content) <= _MAX_BODY_BYTES:
        return f" {content.decode()}"
    # A character at the cut is left out.
    shown = content[:_MAX_BODY_BYTES].decode(errors="ignore")
    return f" {shown}… (the first {len(shown.encode())} of {len(content)} bytes of the body)"
