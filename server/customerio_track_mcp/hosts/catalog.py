"""The hosts that a server can be added to: their files, formats and own commands, and what to do afterwards."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from customerio_track_mcp.hosts import locations
from customerio_track_mcp.hosts.entries import Entry
from customerio_track_mcp.hosts.errors import EntryError
from customerio_track_mcp.hosts.formats import ConfigFormat
from customerio_track_mcp.hosts.jsonc import STRICT, Dialect
from customerio_track_mcp.hosts.locations import Machine
from customerio_track_mcp.hosts.toml import Toml

MCP_SERVERS: Final = "mcpServers"

_BRACES: Final = re.compile(r"\$\{")
_SHELL: Final = re.compile(r"\$|%[^%]*%")

Arguments = Callable[[str, Entry], list[str]]
"""The arguments of a host's own command, from the name of an entry and the entry."""


@dataclass(frozen=True, slots=True)
class OwnCommand:
    """A host's own command that adds a server to its configuration.

    Attributes:
        program: its name on PATH.
        add: arguments that add an entry to the user's file. No entry of that name may be there.
        add_to_project: likewise for the project in the working directory; None if it cannot.
        keeps_others: whether it keeps the form of everything else in the user's file. If not, it is used only if
            the file does not exist.
    """

    program: str
    add: Arguments
    add_to_project: Arguments | None = None
    keeps_others: bool = True


@dataclass(frozen=True, slots=True)
class Host:
    """An MCP host.

    Attributes:
        name: what the command line calls it.
        title: what people call it.
        user_file: the place of the user's configuration.
        project_file: the place of a project's configuration, below its folder; None if the host has none.
        format: of both files.
        servers_key: the key that contains the entries.
        expanded: what the host replaces in the values of an entry.
        next_step: what the user must do before the tools can be used.
        type: the value of `type` in an entry; None if the host rejects it or does not document it.
        writes_empty_env: whether the host writes `env` without variables too.
        programs: names on PATH that show that the host is installed.
        folders: folders that show that the host is installed, besides that of its file.
        own_command: its own command, if it has one.
    """

    name: str
    title: str
    user_file: Callable[[Machine], Path]
    format: ConfigFormat
    next_step: str
    project_file: str | None = None
    servers_key: str = MCP_SERVERS
    expanded: re.Pattern[str] | None = None
    type: str | None = None
    writes_empty_env: bool = False
    programs: Sequence[str] = ()
    folders: Callable[[Machine], Sequence[Path]] = lambda _: ()
    own_command: OwnCommand | None = None

    def is_installed(self, machine: Machine) -> bool:
        """Return whether the host seems to be on this machine."""
        file = self.user_file(machine)
        folders = [*self.folders(machine), *([file.parent] if file.parent != machine.home else [])]
        # The methods of Path raise an error below a folder that cannot be read.
        return any(map(os.path.exists, [file, *folders])) or any(map(shutil.which, self.programs))

    def fields(self, entry: Entry) -> dict[str, Any]:
        """Return an entry as this host's configuration contains it.

        Raises:
            EntryError: the host would replace a part of a value.
        """
        self._require_literal(entry)
        fields: dict[str, Any] = {"type": self.type} if self.type else {}
        fields |= {"command": entry.command, "args": list(entry.args)}
        if entry.env or self.writes_empty_env:
            fields["env"] = dict(entry.env)
        return fields

    def _require_literal(self, entry: Entry) -> None:
        if self.expanded is None:
            return
        values = {f"the value of {name}": value for name, value in entry.env.items()}
        values["the path of this program"] = entry.command
        for what, value in values.items():
            if found := self.expanded.search(value):
                raise EntryError(f"{what} contains {found[0]!r}, which {self.title} replaces by a variable: avoid it")


def generic_fields(entry: Entry) -> dict[str, Any]:
    """Return an entry as most hosts' configurations contain it."""
    fields: dict[str, Any] = {"command": entry.command, "args": list(entry.args)}
    return fields | ({"env": dict(entry.env)} if entry.env else {})


def _claude(scope: str) -> Arguments:
    def arguments(name: str, entry: Entry) -> list[str]:
        # -e takes every word that follows, so that it must be behind the name and in front of another option.
        variables = [word for variable in _assignments(entry.env) for word in ("-e", variable)]
        return ["mcp", "add", "--scope", scope, name, *variables, "--", entry.command, *entry.args]

    return arguments


def _codex(name: str, entry: Entry) -> list[str]:
    variables = [word for variable in _assignments(entry.env) for word in ("--env", variable)]
    return ["mcp", "add", name, *variables, "--", entry.command, *entry.args]


def _gemini(scope: str) -> Arguments:
    def arguments(name: str, entry: Entry) -> list[str]:
        variables = [word for variable in _assignments(entry.env) for word in ("-e", variable)]
        return ["mcp", "add", "--scope", scope, *variables, name, entry.command, "--", *entry.args]

    return arguments


def _code(name: str, entry: Entry) -> list[str]:
    return ["--add-mcp", json.dumps({"name": name, "type": "stdio", **generic_fields(entry)})]


def _assignments(env: Mapping[str, str]) -> list[str]:
    return [f"{name}={value}" for name, value in env.items()]


_HOSTS: Final = (
    Host(
        name="claude-desktop",
        title="Claude Desktop",
        user_file=locations.claude_desktop,
        # Files with comments: the host reports them as invalid.
        format=STRICT,
        next_step="Quit Claude Desktop completely (from its menu or tray icon) and start it again",
    ),
    Host(
        name="claude-code",
        title="Claude Code",
        user_file=locations.claude_code,
        project_file=".mcp.json",
        format=STRICT,
        expanded=_BRACES,
        type="stdio",
        writes_empty_env=True,
        programs=("claude",),
        folders=lambda machine: [machine.folder("CLAUDE_CONFIG_DIR", ".claude")],
        own_command=OwnCommand("claude", _claude("user"), _claude("project")),
        next_step="Start a new session of Claude Code (/mcp lists its servers)",
    ),
    Host(
        name="cursor",
        title="Cursor",
        user_file=locations.cursor,
        project_file=".cursor/mcp.json",
        format=Dialect(),
        expanded=_BRACES,
        programs=("cursor",),
        next_step="Switch the server on in Cursor's settings, under MCP",
    ),
    Host(
        name="vscode",
        title="VS Code",
        user_file=locations.vscode,
        project_file=".vscode/mcp.json",
        servers_key="servers",
        format=Dialect(),
        expanded=_BRACES,
        type="stdio",
        programs=("code",),
        own_command=OwnCommand("code", _code),
        next_step="Run 'MCP: List Servers' in VS Code and start the server",
    ),
    Host(
        name="windsurf",
        title="Windsurf (Devin Desktop)",
        user_file=locations.windsurf,
        project_file=".devin/mcp_config.json",
        format=Dialect(),
        expanded=_BRACES,
        programs=("windsurf", "devin"),
        next_step="Press Refresh in the MCP panel of Windsurf, or start a new session",
    ),
    Host(
        name="gemini-cli",
        title="Gemini CLI",
        user_file=locations.gemini_cli,
        project_file=".gemini/settings.json",
        # Every command of Gemini CLI fails on a trailing comma.
        format=Dialect(trailing_commas=False),
        expanded=_SHELL,
        programs=("gemini",),
        own_command=OwnCommand("gemini", _gemini("user"), _gemini("project"), keeps_others=False),
        next_step="Start a new session of Gemini CLI in a folder that it trusts (/mcp lists its servers)",
    ),
    Host(
        name="codex",
        title="Codex",
        user_file=locations.codex,
        project_file=".codex/config.toml",
        servers_key="mcp_servers",
        format=Toml(),
        programs=("codex",),
        # It drops comments of the other servers, and writes their inline tables in another form.
        own_command=OwnCommand("codex", _codex, keeps_others=False),
        next_step="Start a new session of Codex (/mcp lists its servers)",
    ),
)
HOSTS: Final[Mapping[str, Host]] = {host.name: host for host in _HOSTS}
"""The hosts by their names on the command line."""
