"""Where lines about the start of a server go."""

from __future__ import annotations

import logging
from collections.abc import Callable

from customerio_track_mcp.cli.output import print_status
from customerio_track_mcp.settings.server import Settings

logger = logging.getLogger("customerio_track_mcp.startup")


def startup_notifier(settings: Settings, log: Callable[[str], None] = logger.warning) -> Callable[[str], None]:
    """Return how startup lines are written: printed for people, or passed to `log` if logs are JSON."""
    return print_status if settings.log_format == "text" else log
