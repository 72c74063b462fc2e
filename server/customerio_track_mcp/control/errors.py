"""Why a valid call is not sent, one class per reason; nothing was sent."""

from __future__ import annotations

from customerio_track_mcp.track import TrackError


class RefusedError(TrackError):
    """Base class: the server does not send a valid call. A subclass sets `code` and `advice`."""

    code = "refused"
