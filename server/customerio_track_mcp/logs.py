"""Logging to standard error: standard output is the wire."""

from __future__ import annotations

import logging
import sys

_OURS = "customerio_track_mcp"


def configure_logging(level: str) -> None:
    """Send this package's log lines from `level` upwards to standard error, and of other packages only warnings.

    Other packages stay at WARNING whatever `level` says: httpx logs each request's URL, in which a person's
    identifier stands, and the MCP SDK logs messages with their content.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s %(message)s"))
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger(_OURS).setLevel(level)
