"""docs/hosts.md: what it shows for each host is what `install` writes, and where it writes it."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Final

import pytest

from customerio_track_mcp.hosts.catalog import HOSTS, Host
from customerio_track_mcp.hosts.entries import Entry
from customerio_track_mcp.hosts.jsonc import Dialect
from customerio_track_mcp.hosts.locations import Machine
from tests.support.documents import ROOT, VARIABLES, blocks, section

PAGE: Final = (ROOT / "docs" / "hosts.md").read_text(encoding="utf-8")
CLIENTS: Final = ("MCP Inspector", "mcporter", "FastMCP")
NAME: Final = "customerio-track"
COMMAND: Final = "/path/to/customerio-track-mcp"
REAL: Final = Entry(
    COMMAND,
    env={
        "CUSTOMERIO_SITE_ID": "your Site ID",
        "CUSTOMERIO_API_KEY": "your Tracking API key",
        "CUSTOMERIO_REGION": "US",
    },
)
SANDBOX: Final = Entry(COMMAND, ["--sandbox"])
# Written as the page writes them: every folder as its variable, and `~` for the home directory.
MACHINES: Final = (
    Machine("linux", Path("~"), {}),
    Machine("macos", Path("~"), {}),
    Machine("windows", Path("~"), {"APPDATA": "%APPDATA%", "LOCALAPPDATA": "%LOCALAPPDATA%"}),
)

every_host = pytest.mark.parametrize("host", HOSTS.values(), ids=HOSTS)


def section_of(host: Host) -> str:
    return section(f"## {host.title.removesuffix(' (Devin Desktop)')}", PAGE)


@every_host
def test_the_configuration_is_what_install_writes(host: Host) -> None:
    language = "toml" if host.servers_key == "mcp_servers" else "json"
    configuration = host.format.parse(blocks(section_of(host), language)[0])
    assert configuration == {host.servers_key: {NAME: host.fields(REAL)}}


@every_host
def test_every_place_of_the_file_is_named(host: Host) -> None:
    files = [host.user_file(machine).as_posix() for machine in MACHINES]
    places = {file.replace("/", "\\") if file.startswith("%") else file for file in files}
    assert {place for place in places if f"`{place}`" not in section_of(host)} == set()
    if host.project_file:
        assert f"`{host.project_file}`" in section_of(host)


@every_host
def test_the_commands_are_valid(host: Host) -> None:
    commands = [shlex.split(block) for block in blocks(section_of(host), "console")]
    assert commands[0] == ["customerio-track-mcp", "install", host.name]
    own = host.own_command
    expected = [[own.program, *own.add(NAME, SANDBOX)]] if own else []
    assert [[*map(normalized, command)] for command in commands[1:]] == [[*map(normalized, line)] for line in expected]


def normalized(word: str) -> str:
    """Return a word of a command; JSON with sorted keys and without spaces."""
    return json.dumps(json.loads(word), sort_keys=True) if word.startswith("{") else word


def test_vs_code_can_ask_for_the_key() -> None:
    (prompting,) = blocks(section_of(HOSTS["vscode"]), "jsonc")
    configuration = Dialect().parse(prompting)
    (prompt,) = configuration["inputs"]
    assert prompt["password"]
    entry = configuration["servers"][NAME]
    assert entry["env"]["CUSTOMERIO_API_KEY"] == f"${{input:{prompt['id']}}}"
    assert set(entry["env"]) <= set(VARIABLES)
    assert entry | {"env": {}} == HOSTS["vscode"].fields(REAL) | {"env": {}}


def test_mcporter_reads_an_entry_for_the_sandbox() -> None:
    (block,) = blocks(section("## mcporter", PAGE), "json")
    assert json.loads(block) == {"mcpServers": {NAME: HOSTS["cursor"].fields(SANDBOX)}}


def test_every_host_and_client_has_a_complete_section() -> None:
    titles = [host.title.removesuffix(" (Devin Desktop)") for host in HOSTS.values()]
    _, _, sections = PAGE.partition("\n## If the tools do not show\n")
    assert re.findall(r"^## (.+)$", sections, re.MULTILINE) == [*titles, *CLIENTS]
    for title in (*titles, *CLIENTS):
        text = section(f"## {title}", PAGE)
        assert blocks(text, "console"), title
        assert [label for label in ("Logs.", "No tools?", "Tried:") if f"**{label}**" not in text] == [], title
