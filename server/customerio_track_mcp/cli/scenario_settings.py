"""Which settings of the MCP server a scenario may have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from customerio_track_mcp.settings.errors import SettingsError
from customerio_track_mcp.settings.server import Settings
from customerio_track_mcp.settings.unknown_variables import why_not_for_a_host
from customerio_track_mcp.track import shorten

ALLOWED_FIELDS: Final = frozenset(
    {
        "allow_reserved_keys",
        "attributes",
        "confirm",
        "confirm_fallback",
        "connect_timeout",
        "dry_run",
        "events",
        "log_format",
        "log_level",
        "max_attempts",
        "max_events_per_hour",
        "max_people_per_hour",
        "pool_timeout",
        "rate_limit",
        "read_timeout",
        "resend_window",
        "segments",
        "time_budget",
        "tools",
        "write_timeout",
    }
)
"""Settings of what the tools do. A scenario may be somebody else's, so it names no file, key or other server."""
_ALLOWED: Final = {Settings.variable(field): field for field in ALLOWED_FIELDS}
_MAX_NAME_CHARACTERS: Final = 64


def problems_of_settings(settings: Mapping[str, str]) -> Iterator[str]:
    """Yield what is wrong with the settings of a scenario, one line each.

    Args:
        settings: values by the names of their environment variables.
    """
    given = {}
    for name, value in settings.items():
        shown = shorten(name, _MAX_NAME_CHARACTERS)
        if name not in _ALLOWED:
            reason = (
                why_not_for_a_host(name) or f"cannot be set by a scenario; accepted are {', '.join(sorted(_ALLOWED))}"
            )
            yield f"settings: {shown} {reason}"
        elif not value.isprintable():
            yield f"settings: {shown} contains characters that are not printable"
        else:
            given[_ALLOWED[name]] = value
    try:
        Settings.from_values(given)  # the server of a rehearsal does not get the user's environment and files
    except SettingsError as error:
        yield from (f"settings: {problem}" for problem in error.problems)
