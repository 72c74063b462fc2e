"""Claude Code and Codex: what `install` writes is what they write, and they accept it.

They have 660 MB together, so that CI does not install them. To run these tests, for example before a release:
`npm install --prefix tests/integration/hosts/large`.
"""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest

from customerio_track_mcp.hosts.catalog import HOSTS
from customerio_track_mcp.hosts.entries import Entry
from customerio_track_mcp.hosts.locations import Machine
from publish.names import read_names
from tests.support.documents import ROOT

PROGRAMS: Final = Path(__file__).parent / "node_modules" / ".bin"
NAME: Final = "customerio-track"
ENTRY: Final = Entry("/path with spaces/customerio-track-mcp", ["--sandbox"], {"CUSTOMERIO_REGION": "EU", "LANG": "C"})

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(not PROGRAMS.exists(), reason="Claude Code and Codex are not installed"),
]


def run(home: Path, program: str, *arguments: str) -> str:
    """Run a host's command, which must be successful, and return its output."""
    env = {"HOME": str(home), "PATH": os.environ["PATH"]}
    completed = subprocess.run(
        [str(PROGRAMS / program), *arguments],
        cwd=home,
        env=env,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        encoding="utf-8",
        timeout=120,
        check=False,
    )
    assert completed.returncode == 0, completed.stdout + completed.stderr
    return completed.stdout


@pytest.mark.parametrize("host", ["claude-code", "codex"])
@pytest.mark.parametrize("entry", [ENTRY, Entry(ENTRY.command, ["--sandbox"])], ids=["env", "no env"])
def test_install_writes_what_the_host_writes(host: str, entry: Entry, tmp_path: Path) -> None:
    own, configuration = HOSTS[host].own_command, HOSTS[host].format
    assert own is not None
    run(tmp_path, own.program, *own.add(NAME, entry))
    written = configuration.parse(HOSTS[host].user_file(Machine("linux", tmp_path, {})).read_text(encoding="utf-8"))
    assert written[HOSTS[host].servers_key] == {NAME: HOSTS[host].fields(entry)}


def test_codex_reads_what_install_writes(tmp_path: Path) -> None:
    file = HOSTS["codex"].user_file(Machine("linux", tmp_path, {}))
    file.parent.mkdir()
    text = HOSTS["codex"].format.put("# mine\n", ("mcp_servers", NAME), HOSTS["codex"].fields(ENTRY))
    file.write_text(text, encoding="utf-8")
    read: dict[str, Any] = json.loads(run(tmp_path, "codex", "mcp", "get", NAME, "--json"))["transport"]
    assert (read["command"], read["args"], read["env"]) == (ENTRY.command, list(ENTRY.args), dict(ENTRY.env))


@pytest.mark.parametrize("path", [ROOT, ROOT / "plugins" / "claude-code"], ids=["marketplace", "plugin"])
def test_claude_code_accepts_the_plugin(path: Path, tmp_path: Path) -> None:
    assert "Validation passed" in run(tmp_path, "claude", "plugin", "validate", "--strict", str(path))


def test_claude_code_passes_the_options_of_the_plugin(tmp_path: Path) -> None:
    """A stand-in for uvx records what the plugin starts, since the package may not be published yet."""
    record = tmp_path / "record"
    uvx = tmp_path / "bin" / "uvx"
    uvx.parent.mkdir()
    uvx.write_text(f'#!/bin/sh\necho "$@" >{record}\nenv >>{record}\n', encoding="utf-8")
    uvx.chmod(0o755)
    run(tmp_path, "claude", "plugin", "marketplace", "add", str(ROOT))
    options = ["--config", "site_id=site", "--config", "api_key=key", "--config", "sandbox=true"]
    run(tmp_path, "claude", "plugin", "install", f"{NAME}@customerio-track-mcp", *options)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", str(uvx.parent), prepend=os.pathsep)
        run(tmp_path, "claude", "mcp", "list")
    command, *variables = record.read_text(encoding="utf-8").splitlines()
    assert command == f"customerio-track-mcp=={read_names().version}"
    assert {
        "CUSTOMERIO_SITE_ID=site",
        "CUSTOMERIO_API_KEY=key",
        "CUSTOMERIO_REGION=US",
        "CUSTOMERIO_SANDBOX=true",
    } <= set(variables)
