"""`install` as a new user runs it, and the server that the written file starts."""

from __future__ import annotations

import json
import os
import shlex
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest
from mcp import Client, StdioServerParameters

from customerio_track_mcp.cli.main import main
from customerio_track_mcp.hosts.program import installed_program
from customerio_track_mcp.sandbox import SANDBOX_API_KEY, SANDBOX_SITE_ID
from tests.support.host_files import EXAMPLES, file_of, use_home, write_file
from tests.support.process import environment, run, running, url_from_stderr
from tests.support.secret_service import needs_secret_service, secret_service
from tests.support.terminal import terminal

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(os.name != "posix", reason="the hosts' own commands are shell scripts here"),
]

NAME: Final = "customerio-track"
INSTALL_IN_CURSOR: Final = """
import sys
from customerio_track_mcp.cli.main import main
sys.exit(main(["install", "cursor"]))
"""
SUCCEEDS: Final = """
printf '%s\\n' "$@" > "$HOME/arguments"
env > "$HOME/environment"
printf '%s' {text} > "$HOME/.claude.json"
"""


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    home = tmp_path / "home of ann"
    use_home(monkeypatch, home)
    return home


def parameters_in(path: Path, home: Path, **others: str) -> StdioServerParameters:
    """Return how a host starts the server that its file names. It passes on few variables of its own."""
    entry = json.loads(path.read_text(encoding="utf-8"))["mcpServers"][NAME]
    variables = {"HOME": str(home), "PATH": os.defpath, **others, **entry.get("env", {})}
    return StdioServerParameters(command=entry["command"], args=entry["args"], env=variables, cwd=home)


async def call(parameters: StdioServerParameters) -> dict[str, Any]:
    async with Client(parameters) as client:
        result = await client.call_tool("send_event", {"customer_id": "1", "event_name": "attached"})
        assert not result.is_error, result
        output: dict[str, Any] = result.structured_content or {}
        return output


async def test_a_new_user_attaches_the_sandbox_and_a_client_calls_it(home: Path) -> None:
    completed = run("install", "claude-desktop", "--sandbox", env=environment())
    assert completed.returncode == 0, completed.stderr
    assert completed.stdout.splitlines()[-1].startswith("Quit Claude Desktop completely")
    output = await call(parameters_in(file_of("claude-desktop"), home))
    assert output["success"]


@needs_secret_service
async def test_a_person_keeps_the_key_in_the_key_store_and_a_client_calls(
    home: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with secret_service() as service, running("sandbox", "--port", "0") as sandbox:
        for name, value in service.variables.items():
            monkeypatch.setenv(name, value)
        url = url_from_stderr(sandbox, "sandbox")
        with terminal(INSTALL_IN_CURSOR, environment(track_url=url)) as person:
            for prompt, typed in [
                ("Site ID: ", SANDBOX_SITE_ID),
                ("(not shown): ", SANDBOX_API_KEY),
                ("Region of the workspace", "EU"),  # it is in the US
                ("Keep the key in the Secret Service? [Y/n] ", ""),
            ]:
                person.wait_for(prompt)
                person.enter(typed)
            status, output = person.finish()
        assert status == 0, person.screen
        assert "the workspace is in region US, not EU" in person.screen
        assert f"{NAME} was added to {file_of('cursor')}" in output
        parameters = parameters_in(file_of("cursor"), home, **service.variables)
        assert parameters.env is not None
        assert {name: value for name, value in parameters.env.items() if name.startswith("CUSTOMERIO_")} == {
            "CUSTOMERIO_KEY_STORE": NAME,
            "CUSTOMERIO_REGION": "US",
            "CUSTOMERIO_TRACK_URL": url,
        }
        assert (await call(parameters))["success"]

        assert main(["install", "codex", "--sandbox", "--env", f"CUSTOMERIO_KEY_STORE={NAME}"]) == 0
        capsys.readouterr()
        assert main(["uninstall", "cursor"]) == 0
        assert f"The key is still in this system's key store, as {NAME}" in capsys.readouterr().out
        assert main(["uninstall", "cursor", "--delete-key"]) == 1
        assert f"the entry {NAME} in {file_of('codex')} uses it" in capsys.readouterr().err
        assert main(["uninstall", "codex"]) == 0
        capsys.readouterr()
        for state in ("was deleted from", "is not in"):
            assert main(["uninstall", "cursor", "--delete-key"]) == 0
            assert f"The key {NAME} {state} the Secret Service" in capsys.readouterr().out


Program = Callable[[str], Path]


@pytest.fixture
def claude(home: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    """Put a program `claude` with this shell script on PATH."""

    def create(script: str) -> Path:
        folder = home / "bin"
        folder.mkdir()
        path = folder / "claude"
        path.write_text(f"#!/bin/sh\nPATH={shlex.quote(os.defpath)}\n{script}", encoding="utf-8")
        path.chmod(0o755)
        monkeypatch.setenv("PATH", str(folder))
        return path

    return create


def claude_file(**entry: object) -> str:
    """Return what Claude Code's own command writes."""
    servers = json.loads(EXAMPLES["claude-code"])
    servers["mcpServers"][NAME] = {"type": "stdio", **entry}
    return json.dumps(servers)


def test_the_host_s_own_command_adds_the_entry(
    home: Path, claude: Program, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CUSTOMERIO_API_KEY", "site:4d5e6f")
    program = str(installed_program())
    text = claude_file(command=program, args=["--sandbox"], env={"CUSTOMERIO_LOG_LEVEL": "DEBUG"})
    path = claude(SUCCEEDS.format(text=shlex.quote(text)))
    file = write_file("claude-code", EXAMPLES["claude-code"])
    arguments = ["install", "claude-code", "--sandbox", "--env", "CUSTOMERIO_LOG_LEVEL=DEBUG"]
    assert main([*arguments, "--dry-run"]) == 0
    command = (
        f"{shlex.quote(str(path))} mcp add --scope user {NAME} -e CUSTOMERIO_LOG_LEVEL=DEBUG -- {program} --sandbox"
    )
    assert f"this would run: {command}\n" in capsys.readouterr().err
    assert file.read_bytes() == EXAMPLES["claude-code"]
    assert main(arguments) == 0
    assert f"{NAME} was added to {file} by {path}" in capsys.readouterr().out
    assert (home / "arguments").read_text(encoding="utf-8").splitlines() == [
        *["mcp", "add", "--scope", "user", NAME, "-e", "CUSTOMERIO_LOG_LEVEL=DEBUG", "--", program, "--sandbox"]
    ]
    assert "4d5e6f" not in (home / "environment").read_text(encoding="utf-8")
    backups = [other.read_bytes() for other in home.glob(".claude.json.*")]
    assert backups == [EXAMPLES["claude-code"]]
    assert main(arguments) == 0
    assert "no change" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        ("echo 'Not logged in' >&2; exit 3", "claude failed with status 3: Not logged in; editing "),
        ("exit 1", "claude failed with status 1: it printed nothing; editing "),
        ("exit 0", "claude did not add the entry as expected; editing "),
    ],
)
def test_the_file_is_edited_if_the_host_s_own_command_fails(
    script: str, problem: str, claude: Program, capsys: pytest.CaptureFixture[str]
) -> None:
    claude(script)
    file = write_file("claude-code", EXAMPLES["claude-code"])
    assert main(["install", "claude-code", "--sandbox"]) == 0
    captured = capsys.readouterr()
    assert f"{problem}{file} instead" in captured.err
    assert json.loads(file.read_bytes())["mcpServers"][NAME]["args"] == ["--sandbox"]
    assert main(["uninstall", "claude-code"]) == 0
    assert file.read_bytes() == EXAMPLES["claude-code"]


def test_a_file_that_a_failed_command_has_changed_is_not_edited(
    home: Path, claude: Program, capsys: pytest.CaptureFixture[str]
) -> None:
    claude('echo "{" > "$HOME/.claude.json"; exit 1')
    write_file("claude-code", EXAMPLES["claude-code"])
    assert main(["install", "claude-code", "--sandbox"]) == 1
    (backup,) = home.glob(".claude.json.*")
    assert f"whose backup is {backup}" in capsys.readouterr().err
    assert backup.read_bytes() == EXAMPLES["claude-code"]
    assert (home / ".claude.json").read_bytes() == b"{\n"


@pytest.mark.parametrize("status", [0, 1])
def test_a_command_that_removes_other_servers_is_reported(
    status: int, home: Path, claude: Program, capsys: pytest.CaptureFixture[str]
) -> None:
    claude(f"""echo '{{"mcpServers": {{}}}}' > "$HOME/.claude.json"; exit {status}""")
    write_file("claude-code", EXAMPLES["claude-code"])
    assert main(["install", "claude-code", "--sandbox"]) == 1
    (backup,) = home.glob(".claude.json.*")
    assert f"whose backup is {backup}" in capsys.readouterr().err
    assert backup.read_bytes() == EXAMPLES["claude-code"]


@pytest.mark.parametrize(
    ("text", "status", "problem"), [("{}", 0, "; editing {} instead"), ("{", 1, "; it has created {}: correct")]
)
def test_a_failed_command_that_creates_the_file(
    text: str, status: int, problem: str, claude: Program, capsys: pytest.CaptureFixture[str]
) -> None:
    claude(f"""printf '{text}' > "$HOME/.claude.json"; exit 1""")
    assert main(["install", "claude-code", "--sandbox"]) == status
    assert problem.format(file_of("claude-code")) in capsys.readouterr().err


def test_a_command_runs_nothing_of_the_working_directory(
    home: Path, claude: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = claude('echo "$PATH" > "$HOME/path"; pwd > "$HOME/folder"').parent
    claude_script = folder / "claude"
    claude_script.write_text(claude_script.read_text(encoding="utf-8").replace("PATH=", "UNUSED="), encoding="utf-8")
    monkeypatch.setenv("PATH", os.pathsep.join([".", "", "bin", str(folder)]))
    assert main(["install", "claude-code", "--sandbox"]) == 0
    assert (home / "path").read_text(encoding="utf-8").strip() == str(folder)
    assert (home / "folder").read_text(encoding="utf-8").strip() == str(home)


def test_a_background_process_of_a_command_is_not_waited_for(
    claude: Program, capsys: pytest.CaptureFixture[str]
) -> None:
    claude('(sleep 120; echo late) & echo $! > "$HOME/background"; exit 3')
    assert main(["install", "claude-code", "--sandbox"]) == 0
    os.kill(int((file_of("claude-code").parent / "background").read_text(encoding="utf-8")), signal.SIGKILL)
    assert "claude failed with status 3" in capsys.readouterr().err


def test_a_secret_is_never_an_argument(
    home: Path, claude: Program, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    claude(SUCCEEDS.format(text="{}"))
    monkeypatch.setenv("CUSTOMERIO_LOG_HASH_KEY", "4d5e6f4d5e6f")
    assert main(["install", "claude-code", "--sandbox", "--env", "CUSTOMERIO_LOG_HASH_KEY"]) == 0
    assert not (home / "arguments").exists()
    assert f"{NAME} was added to {file_of('claude-code')}\n" in capsys.readouterr().out
