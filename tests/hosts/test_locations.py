"""Where hosts keep their files, for every operating system."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final, get_args

import pytest

from customerio_track_mcp.hosts.catalog import HOSTS
from customerio_track_mcp.hosts.errors import ConfigFileError
from customerio_track_mcp.hosts.locations import Machine, System

# As the hosts' own documents name them; `locations.py` names the documents.
PLACES: Final[Mapping[str, Mapping[System, str]]] = {
    "claude-desktop": {
        "linux": ".config/Claude/claude_desktop_config.json",
        "macos": "Library/Application Support/Claude/claude_desktop_config.json",
        "windows": "AppData/Roaming/Claude/claude_desktop_config.json",
    },
    "claude-code": dict.fromkeys(get_args(System), ".claude.json"),
    "cursor": dict.fromkeys(get_args(System), ".cursor/mcp.json"),
    "vscode": {
        "linux": ".config/Code/User/mcp.json",
        "macos": "Library/Application Support/Code/User/mcp.json",
        "windows": "AppData/Roaming/Code/User/mcp.json",
    },
    "windsurf": {
        "linux": ".config/devin/mcp_config.json",
        "macos": ".config/devin/mcp_config.json",
        "windows": "AppData/Roaming/devin/mcp_config.json",
    },
    "gemini-cli": dict.fromkeys(get_args(System), ".gemini/settings.json"),
    "codex": dict.fromkeys(get_args(System), ".codex/config.toml"),
}


def test_every_host_is_in_the_table() -> None:
    assert PLACES.keys() == HOSTS.keys()


@pytest.mark.parametrize("system", get_args(System))
@pytest.mark.parametrize("host", PLACES)
def test_places_below_the_home_folder(host: str, system: System, tmp_path: Path) -> None:
    assert HOSTS[host].user_file(Machine(system, tmp_path, {})) == tmp_path / PLACES[host][system]


@pytest.mark.parametrize(
    ("host", "system", "variable", "file"),
    [
        ("claude-desktop", "windows", "APPDATA", "Claude/claude_desktop_config.json"),
        ("claude-desktop", "linux", "XDG_CONFIG_HOME", "Claude/claude_desktop_config.json"),
        ("vscode", "linux", "XDG_CONFIG_HOME", "Code/User/mcp.json"),
        ("claude-code", "macos", "CLAUDE_CONFIG_DIR", ".claude.json"),
        ("gemini-cli", "linux", "GEMINI_CLI_HOME", ".gemini/settings.json"),
        ("codex", "windows", "CODEX_HOME", "config.toml"),
    ],
)
def test_variables_that_move_a_file(host: str, system: System, variable: str, file: str, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    assert HOSTS[host].user_file(Machine(system, tmp_path, {variable: str(moved)})) == moved / file


def test_claude_desktop_from_the_windows_store_has_a_folder_of_its_own(tmp_path: Path) -> None:
    machine = Machine("windows", tmp_path, {"LOCALAPPDATA": str(tmp_path / "Local")})
    roaming = tmp_path / "Local" / "Packages" / "Claude_pzs8sxrjxfjjc" / "LocalCache" / "Roaming"
    roaming.mkdir(parents=True)
    file = HOSTS["claude-desktop"].user_file
    assert file(machine) == roaming / "Claude" / "claude_desktop_config.json"
    (tmp_path / "Local" / "Packages" / "Claude_other" / "LocalCache" / "Roaming").mkdir(parents=True)
    with pytest.raises(ConfigFileError, match=r"installed more than once .*Claude_other.*Claude_pzs8sxrjxfjjc"):
        file(machine)


def test_windsurf_s_former_agent_is_used_if_there_is_no_other(tmp_path: Path) -> None:
    machine = Machine("linux", tmp_path, {})
    (tmp_path / ".codeium" / "windsurf").mkdir(parents=True)
    file = HOSTS["windsurf"].user_file
    assert file(machine) == tmp_path / ".codeium" / "windsurf" / "mcp_config.json"
    (tmp_path / ".config" / "devin").mkdir(parents=True)
    assert file(machine) == tmp_path / ".config" / "devin" / "mcp_config.json"


@pytest.mark.parametrize("host", HOSTS)
def test_a_host_is_found_by_its_folder(host: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    machine = Machine("linux", tmp_path, {})
    assert not HOSTS[host].is_installed(machine)
    (tmp_path / (".claude" if host == "claude-code" else str(Path(PLACES[host]["linux"]).parent))).mkdir(parents=True)
    assert HOSTS[host].is_installed(machine)


@pytest.mark.parametrize(
    ("host", "variable"),
    [
        ("claude-desktop", "XDG_CONFIG_HOME"),
        ("claude-code", "CLAUDE_CONFIG_DIR"),
        ("gemini-cli", "GEMINI_CLI_HOME"),
        ("codex", "CODEX_HOME"),
    ],
)
@pytest.mark.parametrize("folder", ["moved", "./moved", "~/moved", "~nobody-of-this-name/moved"])
def test_a_relative_folder_is_refused(host: str, variable: str, folder: str, tmp_path: Path) -> None:
    machine = Machine("linux", tmp_path, {variable: folder})
    with pytest.raises(ConfigFileError, match=f"^{variable} is a relative path"):
        HOSTS[host].user_file(machine)


@pytest.mark.skipif(os.name != "posix", reason="Windows does not read HOME")
@pytest.mark.parametrize("home", ["", "relative"])
def test_an_empty_or_relative_home_is_refused(home: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", home)
    with pytest.raises(ConfigFileError, match="set HOME"):
        Machine.this()


@pytest.mark.skipif(os.name != "posix", reason="Windows has no file modes")
@pytest.mark.usefixtures("unprivileged")
@pytest.mark.parametrize("host", HOSTS)
def test_a_folder_that_cannot_be_read_is_not_an_error(
    host: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    home = tmp_path / "home"
    folder = (home / PLACES[host]["linux"]).parent
    folder.mkdir(parents=True)
    machine = Machine("linux", home, {})
    for closed in {folder, folder.parent}:
        closed.chmod(0)
        try:
            HOSTS[host].is_installed(machine)
        finally:
            closed.chmod(0o700)
