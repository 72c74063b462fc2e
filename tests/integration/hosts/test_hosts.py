"""Hosts and clients with a command line that works without an account: they read what `install` writes, and use it.

None of this project's code reads the files here: each is read by the host itself, or by a client that knows where the
hosts keep theirs. To install the programs: `npm install --ignore-scripts --prefix tests/integration/hosts`. They run
with the Node.js of tests/integration/conformance. tests/integration/converters does the same with FastMCP.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import pytest

from customerio_track_mcp.hosts.catalog import HOSTS
from customerio_track_mcp.hosts.entries import Entry
from customerio_track_mcp.hosts.locations import Machine
from tests.support.documents import ROOT

FOLDER: Final = Path(__file__).parent
MODULES: Final = FOLDER / "node_modules"
NODE: Final = FOLDER.parent / "conformance" / "node_modules" / "node" / "bin" / "node"
GEMINI: Final = MODULES / "@google" / "gemini-cli" / "bundle" / "gemini.js"
INSPECTOR: Final = MODULES / "@modelcontextprotocol" / "inspector" / "clients" / "launcher" / "build" / "index.js"
MCPORTER: Final = MODULES / "mcporter" / "dist" / "cli.js"

NAME: Final = "customerio-track"
TOOLS: Final = ["create_or_update_customer", "send_event", "add_customers_to_segment"]
ARGUMENTS: Final = ["customer_id=cust_123", "event_name=purchase"]
PROGRAM: Final = Path(sys.executable).with_name("customerio-track-mcp")
ENTRY: Final = Entry(str(PROGRAM), ["--sandbox"])

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(
        not (NODE.exists() and MCPORTER.exists()) and "REQUIRE_HOSTS" not in os.environ,
        reason="the hosts are not installed",
    ),
]


class User:
    """A user of this machine with an empty home, to whom all hosts seem to be installed.

    Attributes:
        home: the user's home folder.
        project: a folder without configuration, in which programs are started.
    """

    def __init__(self, folder: Path) -> None:
        self.home = folder / "home folder"
        self.project = folder / "project"
        self.project.mkdir(parents=True)
        self.environment = {
            "HOME": str(self.home),
            "PATH": os.pathsep.join([str(NODE.parent), os.environ["PATH"]]),
            # Which files of a project a program may read. Nothing is in this one.
            "GEMINI_CLI_TRUST_WORKSPACE": "true",
            "MCP_INSPECTOR_SECRET_STORE": "memory",
        }

    def add(self, host: str, entry: Entry = ENTRY) -> Path:
        """Write what `install` writes to a host's configuration, and return the file."""
        place = HOSTS[host].user_file(Machine("linux", self.home, {}))
        place.parent.mkdir(parents=True, exist_ok=True)
        text = HOSTS[host].format.put("", (HOSTS[host].servers_key, NAME), HOSTS[host].fields(entry))
        place.write_text(text, encoding="utf-8")
        return place

    def run(self, *command: str | Path) -> subprocess.CompletedProcess[str]:
        """Run a program in the project until it exits, which must be successful."""
        completed = subprocess.run(
            [*map(str, command)],
            cwd=self.project,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            encoding="utf-8",
            timeout=120,
            check=False,
        )
        assert completed.returncode == 0, completed.stdout + completed.stderr
        return completed

    def json(self, *command: str | Path) -> Any:
        """Run a program that prints JSON, and return that."""
        return json.loads(self.run(*command).stdout)


@pytest.fixture(scope="module")
def user(tmp_path_factory: pytest.TempPathFactory) -> User:
    """A user to whose hosts the server was added."""
    user = User(tmp_path_factory.mktemp("user"))
    # Only the former agent of Windsurf has a folder that mcporter knows.
    (user.home / ".codeium" / "windsurf").mkdir(parents=True)
    for host in HOSTS:
        user.add(host)
    return user


def outcome(fields: Mapping[str, Any]) -> tuple[bool, str]:
    """Return what a call of send_event with `ARGUMENTS` is about, for any client's form of its result."""
    return fields["success"], f"{fields['customer_id']} {fields['event_name']}"


DONE: Final = (True, "cust_123 purchase")


@pytest.mark.parametrize(
    ("kind", "host"),
    [
        ("claude-code", "claude-code"),
        ("codex", "codex"),
        ("cursor", "cursor"),
        ("vscode", "vscode"),
        ("windsurf", "windsurf"),
    ],
)
def test_mcporter_finds_the_entry_of_a_host(user: User, kind: str, host: str) -> None:
    entries = user.json(NODE, MCPORTER, "config", "import", kind, "--json")["entries"]
    place = HOSTS[host].user_file(Machine("linux", user.home, {}))
    assert [(entry["name"], entry["source"]) for entry in entries] == [(NAME, str(place))]
    assert entries[0]["entry"] | {"env": {}} == {"command": ENTRY.command, "args": ["--sandbox"], "env": {}}


def test_mcporter_calls_a_tool(user: User) -> None:
    result = user.json(NODE, MCPORTER, "call", f"{NAME}.send_event", *ARGUMENTS, "--output", "json")
    assert outcome(result) == DONE


def test_the_inspector_lists_portable_tools_with_the_file_of_claude_desktop(user: User) -> None:
    file = HOSTS["claude-desktop"].user_file(Machine("linux", user.home, {}))
    inspector: list[str | Path] = [NODE, INSPECTOR, "--cli", "--config", file, "--server", NAME]
    # --strict: fails if a schema contains what some hosts reject.
    listed = user.json(*inspector, "--method", "tools/list", "--strict")
    assert [tool["name"] for tool in listed["tools"]] == TOOLS
    called = user.json(*inspector, "--method", "tools/call", "--tool-name", "send_event", "--tool-arg", *ARGUMENTS)
    assert outcome(called["structuredContent"]) == DONE


def test_gemini_cli_connects(user: User) -> None:
    file = HOSTS["gemini-cli"].user_file(Machine("linux", user.home, {}))
    configuration = json.loads(file.read_bytes())
    # Milliseconds; the default of `mcp list` is too short for a busy machine.
    configuration["mcpServers"][NAME]["timeout"] = 60_000
    file.write_text(json.dumps(configuration), encoding="utf-8")
    listed = user.run(NODE, GEMINI, "mcp", "list")
    assert f"{NAME}: {PROGRAM} --sandbox (stdio) - Connected" in listed.stdout + listed.stderr


def test_install_writes_what_gemini_cli_writes(tmp_path: Path) -> None:
    entry = Entry(ENTRY.command, ENTRY.args, {"CUSTOMERIO_REGION": "EU"})
    theirs, ours = User(tmp_path / "theirs"), User(tmp_path / "ours")
    own = HOSTS["gemini-cli"].own_command
    assert own is not None
    theirs.home.mkdir()
    theirs.run(NODE, GEMINI, *own.add(NAME, entry))
    file = HOSTS["gemini-cli"].user_file(Machine("linux", theirs.home, {}))
    assert json.loads(file.read_bytes()) == json.loads(ours.add("gemini-cli", entry).read_bytes())


def test_gemini_cli_accepts_the_extension(user: User) -> None:
    validated = user.run(NODE, GEMINI, "extensions", "validate", ROOT)
    assert "successfully validated" in validated.stdout + validated.stderr
