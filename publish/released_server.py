"""How hosts start the released package, and which settings they ask for."""

from __future__ import annotations

from typing import Any, Final

from publish.names import Names

SERVER_NAME: Final = "customerio-track"
"""What hosts call the server, as `customerio-track-mcp install` does."""
CHOSEN_SETTINGS: Final = ("site_id", "api_key", "region", "sandbox", "dry_run")
"""The settings that a person who installs the server chooses."""


def uvx_entry(names: Names, *arguments: str) -> dict[str, Any]:
    """Return the command that starts this release in an environment of its own, which uvx creates on the first start.

    The version is pinned: another one is installed only when the plugin or the link is.
    """
    return {"command": "uvx", "args": [f"{names.project}=={names.version}", *arguments]}
