"""`--env-file` and CUSTOMERIO_ENV_FILE on every command, and files in the working directory, which nobody named."""

from __future__ import annotations

import os
from pathlib import Path

import anyio
import httpx
import pytest
from mcp import Client, StdioServerParameters

from customerio_track_mcp.sandbox import RunningSandbox
from tests.support.http_service import TOKEN, bearer, call, payload_in
from tests.support.loaded_command import run_loaded, running_loaded
from tests.support.process import COMMAND, environment, problem_of, url_from_stderr
from tests.support.scripted_server import ScriptedServer

EVENT = {"customer_id": "1", "event_name": "bought"}
COMMANDS = [[], ["stdio"], ["--sandbox"], ["http"], ["sandbox"], ["check"], ["token", "ann"], ["demo"]]


@pytest.mark.parametrize("arguments", COMMANDS)
@pytest.mark.parametrize("before", [True, False])
def test_every_command_reports_a_file_that_cannot_be_read(tmp_path: Path, arguments: list[str], before: bool) -> None:
    option = ["--env-file", str(tmp_path / "missing.env")]
    completed = run_loaded(*(option + arguments if before else arguments + option))
    reason = f"{tmp_path / 'missing.env'} cannot be read: No such file or directory"
    assert problem_of(completed) == f"--env-file: {reason}"


@pytest.mark.parametrize("arguments", [[], ["http"], ["check"]])
@pytest.mark.parametrize("kind", ["fifo", "directory", "utf-16", "git-crypt", "no assignment"])
def test_unusable_files_are_reported_by_the_option_and_the_variable(
    tmp_path: Path, arguments: list[str], kind: str
) -> None:
    path = tmp_path / "settings.env"
    match kind:
        case "fifo":
            os.mkfifo(path)
        case "directory":
            path.mkdir()
        case "utf-16":
            path.write_text("CUSTOMERIO_API_KEY=site:key\n", encoding="utf-16")
        case "git-crypt":
            path.write_bytes(b"\x00GITCRYPT\x00 secret")
        case _:
            path.write_text("secret", encoding="utf-8")
    for name, completed in (
        ("--env-file", run_loaded(*arguments, f"--env-file={path}")),
        ("CUSTOMERIO_ENV_FILE", run_loaded(*arguments, env=environment(env_file=str(path)))),
    ):
        problem = problem_of(completed)
        assert problem.startswith(f"{name}: {path}")
        assert "secret" not in problem


def test_the_option_takes_precedence_over_the_variable_and_needs_a_value(tmp_path: Path) -> None:
    (tmp_path / "empty.env").touch()
    env = environment(env_file=str(tmp_path / "missing.env"), api_key="site:key")
    assert run_loaded("--env-file", "empty.env", env=env).returncode == 0
    assert run_loaded("--env-file", "empty.env", "--version", env=env).returncode == 0
    for arguments in (["--env-file"], ["http", "--env-file"], ["--env-file", "empty.env", "serve"]):
        completed = run_loaded(*arguments)
        assert completed.returncode == 2
        assert "usage: customerio-track-mcp" in completed.stderr
        assert "Traceback" not in completed.stderr


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_stdio_reads_the_named_file_and_none_from_the_working_directory(
    sandbox: RunningSandbox, scripted: ScriptedServer, tmp_path: Path, mode: str
) -> None:
    """Its `.env` names another server, which must not get the credentials, and allows reserved keys."""
    (tmp_path / ".env").write_text(
        f"CUSTOMERIO_TRACK_URL={scripted.url}\nCUSTOMERIO_ALLOW_RESERVED_KEYS=recipient\nCUSTOMERIO_REGION=mars\n",
        encoding="utf-8",
    )
    (tmp_path / "named.env").write_text(f"CUSTOMERIO_TRACK_URL={sandbox.url}\n", encoding="utf-8")
    for source in ("option", "variable"):
        parameters = StdioServerParameters(
            command=COMMAND[0],
            args=[*COMMAND[1:], *(["--env-file", "named.env"] if source == "option" else [])],
            env=environment(api_key="sandbox:sandbox", **({"env_file": "named.env"} if source == "variable" else {})),
            cwd=tmp_path,
        )
        async with Client(parameters, mode=mode) as client:
            assert not (await client.call_tool("send_event", EVENT)).is_error
            result = await client.call_tool("send_event", EVENT | {"data": {"recipient": "ann@example.com"}})
            assert "reserved key" in result.structured_content["error"]
    assert scripted.requests == []
    assert [event.name for event in sandbox.workspace.events] == ["bought", "bought"]


@pytest.mark.parametrize("kind", ["fifo", "directory", "binary"])
@pytest.mark.parametrize("arguments", [[], ["--sandbox"], ["check"]])
def test_an_unreadable_file_in_the_working_directory_does_not_matter(
    tmp_path: Path, arguments: list[str], kind: str
) -> None:
    path = tmp_path / ".env"
    match kind:
        case "fifo":
            os.mkfifo(path)
        case "directory":
            path.mkdir()
        case _:
            path.write_bytes(b"\x00GITCRYPT\x00\xff\xfe")
    env = environment(api_key="site:key", track_url="http://127.0.0.1:1", max_attempts="1")
    assert run_loaded(*arguments, env=env).returncode == (1 if arguments == ["check"] else 0)


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_http_and_its_workers_read_the_named_file(sandbox: RunningSandbox, tmp_path: Path, workers: str) -> None:
    (tmp_path / "named.env").write_text(
        f"CUSTOMERIO_TRACK_URL={sandbox.url}\nCUSTOMERIO_API_KEY=sandbox:sandbox\nCUSTOMERIO_HTTP_TOKENS=ann {TOKEN}\n",
        encoding="utf-8",
    )
    arguments = ("http", "--port", "0", "--workers", workers, "--env-file", "named.env")
    with running_loaded(*arguments) as process:
        url = await anyio.to_thread.run_sync(url_from_stderr, process, "listening on")
        async with httpx.AsyncClient(trust_env=False, timeout=30) as http:
            response = await http.post(url, json=call(), headers=bearer(TOKEN))
            assert payload_in(response)["success"]
            assert (await http.post(url, json=call(), headers=bearer("other"))).status_code == 401


@pytest.mark.parametrize("source", ["missing", "real"])
def test_demo_ignores_the_settings_of_a_real_workspace(tmp_path: Path, source: str) -> None:
    for name in ("real.env", ".env"):
        (tmp_path / name).write_text("CUSTOMERIO_API_KEY=real:key\nCUSTOMERIO_REGION=mars\n", encoding="utf-8")
    env = environment(env_file=str(tmp_path / f"{source}.env"))
    completed = run_loaded("demo", *(["--env-file", "real.env"] if source == "real" else []), env=env)
    assert completed.returncode == 0, completed.stdout + completed.stderr
