"""Report at startup which variables look like settings and are not."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

from customerio_track_mcp.cli.output import print_status
from customerio_track_mcp.cli.startup_lines import startup_notifier
from customerio_track_mcp.instrumentation.logs import configure_logging
from customerio_track_mcp.settings.errors import SettingsError
from customerio_track_mcp.settings.server import Settings
from customerio_track_mcp.settings.unknown_variables import unknown_variables


def report_unknown_variables() -> None:
    """Write one line for each unknown variable: printed for people, or a log line if logs are JSON."""
    lines = unknown_variables()
    if not lines:
        return
    notify: Callable[[str], None] = print_status
    with suppress(SettingsError):  # reported by the command itself
        settings = Settings.from_environment(key_store=None)  # the key is not needed
        configure_logging(settings.log_level, settings.log_format)
        notify = startup_notifier(settings)
    for line in lines:
        notify(f"WARNING: {line}")
