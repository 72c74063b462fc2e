"""The error classes of the Track API client."""

from __future__ import annotations

from customerio_track_mcp import track
from customerio_track_mcp.track import RequestFailedError, TrackError


def concrete_error_classes() -> list[type[TrackError]]:
    """Return the public error classes that are raised, without their base classes."""
    public = [value for name in track.__all__ if isinstance(value := getattr(track, name), type)]
    errors = [kind for kind in public if issubclass(kind, TrackError)]
    return [error for error in errors if error not in (TrackError, RequestFailedError)]
