"""Configuration files of hosts in an empty home folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

from customerio_track_mcp.hosts.catalog import HOSTS
from customerio_track_mcp.hosts.locations import Machine

DATA: Final = Path(__file__).parents[1] / "data" / "hosts"
EXAMPLES: Final[Mapping[str, bytes]] = {path.parent.name: path.read_bytes() for path in sorted(DATA.glob("*/*"))}
"""An example of each host's file."""

_LOCATIONS: Final = ("XDG_CONFIG_HOME", "CLAUDE_CONFIG_DIR", "CODEX_HOME", "GEMINI_CLI_HOME")


def use_home(monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    """Make `home` the user's folder, with a PATH on which no host is."""
    home.mkdir(parents=True, exist_ok=True)
    for name in _LOCATIONS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("USERPROFILE", str(home))
    monkeypatch.setenv("APPDATA", str(home / "AppData" / "Roaming"))
    monkeypatch.setenv("LOCALAPPDATA", str(home / "AppData" / "Local"))
    monkeypatch.setenv("PATH", str(home / "no programs"))


def file_of(host: str) -> Path:
    """Return the path of a host's file for this user."""
    return HOSTS[host].user_file(Machine.this())


def write_file(host: str, content: bytes) -> Path:
    """Write a host's file for this user, and return its path."""
    path = file_of(host)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path
