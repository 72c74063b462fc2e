"""The error classes of the Track API client, and of the controls in front of it."""

from __future__ import annotations

import importlib
import pkgutil

from customerio_track_mcp import control, track
from customerio_track_mcp.control.errors import RefusedError
from customerio_track_mcp.track import RequestFailedError, TrackError


def concrete_error_classes() -> list[type[TrackError]]:
    """Return the public error classes that are raised, without their base classes."""
    public = [value for name in track.__all__ if isinstance(value := getattr(track, name), type)]
    errors = [kind for kind in public if issubclass(kind, TrackError)]
    return [error for error in errors if error not in (TrackError, RequestFailedError)]


def refusal_classes() -> list[type[RefusedError]]:
    """Return the classes of refusals, of every control."""
    for module in pkgutil.walk_packages(control.__path__, f"{control.__name__}."):
        importlib.import_module(module.name)
    found, left = [], [RefusedError]
    while left:
        subclasses = left.pop().__subclasses__()
        found += [error for error in subclasses if error.__module__.startswith(control.__name__)]
        left += subclasses
    return found
