"""The commands with which hosts add a server to their own configuration."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Final

import pytest

from customerio_track_mcp.hosts.catalog import HOSTS
from customerio_track_mcp.hosts.entries import Entry
from customerio_track_mcp.hosts.own_commands import command_line

pytestmark = pytest.mark.skipif(os.name != "posix", reason="not used on Windows")

COMMAND: Final = "/opt/a b/customerio-track-mcp"
ENTRY: Final = Entry(COMMAND, ["--sandbox"], {"A": "1", "B": "2 3"})

# Tried with Claude Code 2.1, Codex 0.171 and Gemini CLI 0.61; VS Code's are from its documents.
EXPECTED: Final = {
    "claude-code": ["mcp", "add", "--scope", "user", "n", "-e", "A=1", "-e", "B=2 3", "--", COMMAND, "--sandbox"],
    "codex": ["mcp", "add", "n", "--env", "A=1", "--env", "B=2 3", "--", COMMAND, "--sandbox"],
    "gemini-cli": ["mcp", "add", "--scope", "user", "-e", "A=1", "-e", "B=2 3", "n", COMMAND, "--", "--sandbox"],
    "vscode": ["--add-mcp"],
}


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A PATH on which every host's program is."""
    for name in ("claude", "codex", "gemini", "code"):
        (tmp_path / name).touch(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def test_every_own_command_is_in_the_table() -> None:
    assert EXPECTED.keys() == {name for name, host in HOSTS.items() if host.own_command is not None}


@pytest.mark.parametrize("host", EXPECTED)
def test_arguments(host: str, programs: Path) -> None:
    own = HOSTS[host].own_command
    assert own is not None
    command = command_line(own, "n", ENTRY, project=False)
    assert command is not None
    assert Path(command[0]).parent == programs
    if host == "vscode":
        entry = {"name": "n", "type": "stdio", "command": COMMAND, "args": ["--sandbox"], "env": {"A": "1", "B": "2 3"}}
        assert json.loads(command.pop()) == entry
    assert command[1:] == EXPECTED[host]


@pytest.mark.usefixtures("programs")
@pytest.mark.parametrize("host", EXPECTED)
def test_it_is_not_used_with_a_secret(host: str) -> None:
    own = HOSTS[host].own_command
    assert own is not None
    assert command_line(own, "n", Entry(COMMAND, (), {"A": "1"}, frozenset("A")), project=False) is None


@pytest.mark.usefixtures("programs")
@pytest.mark.parametrize("host", EXPECTED)
def test_it_adds_to_a_project_only_if_the_host_can(host: str) -> None:
    own = HOSTS[host].own_command
    assert own is not None
    command = command_line(own, "n", ENTRY, project=True)
    assert (command is not None) == (host in ("claude-code", "gemini-cli"))
    assert command is None or command[3:5] == ["--scope", "project"]


def test_a_program_in_the_working_directory_is_not_run(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = HOSTS["codex"].own_command
    assert own is not None
    monkeypatch.chdir(programs)
    monkeypatch.setenv("PATH", ".")
    assert command_line(own, "n", ENTRY, project=False) is None
