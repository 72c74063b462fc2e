"""The configuration of the MCP server for an agent, in the form that most hosts read."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

SERVER_NAME: Final = "customerio-track"
_VARIABLES: Final = {
    "CUSTOMERIO_LOG_LEVEL": "ERROR",  # hosts show what a server prints to stderr as errors
    "CUSTOMERIO_LOG_FORMAT": "json",  # the startup lines are log lines too, below this level
    "CUSTOMERIO_SECRETS_DIR": os.devnull,  # where a container has the settings for a real workspace
    "OTEL_SDK_DISABLED": "true",  # a rehearsal's calls are not for a collector of real ones
}


def server_config(sandbox_url: str, settings: Mapping[str, str]) -> dict[str, Any]:
    """Return the configuration of a server whose calls go to a sandbox.

    Args:
        sandbox_url: the URL of the sandbox.
        settings: further environment variables of the server.
    """
    entry = {
        "command": sys.executable,
        # -P: import nothing from the working directory.
        "args": ["-P", "-m", "customerio_track_mcp", "stdio", "--sandbox", sandbox_url],
        "env": _VARIABLES | dict(settings),
    }
    return {"mcpServers": {SERVER_NAME: entry}}


def write_server_config(path: Path, sandbox_url: str, settings: Mapping[str, str]) -> None:
    """Write `server_config` to a file.

    Raises:
        OSError: it cannot be written.
    """
    path.write_text(json.dumps(server_config(sandbox_url, settings), indent=2), encoding="utf-8")
