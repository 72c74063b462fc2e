"""Hosts start the server in the project that is open: no module is imported from there.

The working directory contains a module of every name that Python has not loaded before the program runs. Each records
that it was imported.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Final

import anyio
import httpx
import pytest
from mcp import Client, StdioServerParameters

from customerio_track_mcp.sandbox import RunningSandbox
from tests.support.http_service import HEADERS, call, payload_in
from tests.support.process import COMMAND, environment, exit_status, url_from_stderr
from tests.support.waiting import wait_until

SCRIPT: Final = """\
import sys
from customerio_track_mcp.__main__ import main
sys.exit(main())
"""
"""What pip installs as `customerio-track-mcp`."""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The working directory, with hostile modules."""
    # To measure coverage in child processes loads many modules before the program runs.
    for name in ("COVERAGE_PROCESS_START", "COVERAGE_PROCESS_CONFIG"):
        monkeypatch.delenv(name, raising=False)
    directory = tmp_path / "project"
    directory.mkdir()
    program = "import sys; print(*(name.partition('.')[0] for name in sys.modules))"
    (tmp_path / "loaded_names.py").write_text(program, encoding="utf-8")
    loaded = subprocess.run(
        [sys.executable, "-m", "loaded_names"], cwd=tmp_path, capture_output=True, encoding="utf-8", check=True
    )
    # With an empty entry in PYTHONPATH, Python itself imports `sitecustomize` from there.
    own = {"customerio_track_mcp", "sitecustomize", "usercustomize", "__main__"}
    names = (sys.stdlib_module_names | set(packages_distributions())) - set(loaded.stdout.split()) - own
    assert {"webbrowser", "redis", "limits", "aiohttp", "email", "csv", "__future__"} <= names
    for name in names:
        source = f"with open({str(tmp_path / 'imported')!r}, 'a') as file:\n    print(__name__, file=file)\n"
        (directory / f"{name}.py").write_text(source, encoding="utf-8")
    return directory


@pytest.fixture(params=["python -m", "script", "empty PYTHONPATH entry"])
def command(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Sequence[str]:
    """A way to start the program."""
    if request.param == "python -m":
        return COMMAND
    script = tmp_path / "bin" / "customerio-track-mcp"
    script.parent.mkdir()
    script.write_text(SCRIPT, encoding="utf-8")
    if request.param == "empty PYTHONPATH entry":
        package = Path(__file__).parents[2] / "server"
        monkeypatch.setenv("PYTHONPATH", f"{package}::{tmp_path}")
    return [sys.executable, str(script)]


@contextmanager
def started(command: Sequence[str], env: Mapping[str, str], directory: Path) -> Iterator[subprocess.Popen[str]]:
    """Start a command in a working directory, and kill it at the end of the block if it still runs."""
    with subprocess.Popen(command, env=env, cwd=directory, stderr=subprocess.PIPE, encoding="utf-8") as process:
        try:
            yield process
        finally:
            process.kill()


def imported(project: Path) -> str:
    """Return the names of the hostile modules that were imported."""
    record = project.parent / "imported"
    return record.read_text(encoding="utf-8") if record.exists() else ""


async def test_stdio_with_the_page_opened(command: Sequence[str], project: Path, tmp_path: Path) -> None:
    browser = tmp_path / "browser"
    browser.write_text(f"#!/bin/sh\nmkdir {tmp_path}/opened\n", encoding="utf-8")
    browser.chmod(0o755)
    parameters = StdioServerParameters(
        command=command[0],
        args=[*command[1:], "--sandbox", "--open"],
        env=environment(rate_limit_storage="redis://127.0.0.1:1/0") | {"BROWSER": str(browser)},
        cwd=project,
    )
    async with Client(parameters) as client:
        assert not (await client.call_tool("send_event", {"customer_id": "1", "event_name": "bought"})).is_error
    await wait_until((tmp_path / "opened").exists)
    assert imported(project) == ""


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_http(command: Sequence[str], project: Path, sandbox: RunningSandbox, workers: str) -> None:
    env = environment(
        api_key="sandbox:sandbox",
        track_url=sandbox.url,
        rate_limit_storage="redis://127.0.0.1:1/0",
        log_format="json",
    )
    with started([*command, "http", "--port", "0", "--workers", workers], env, project) as process:
        url = await anyio.to_thread.run_sync(url_from_stderr, process, "listening on")
        async with httpx.AsyncClient(trust_env=False, timeout=30, headers=HEADERS) as http:
            assert payload_in(await http.post(url, json=call()))["success"]
            assert (await http.get(url.replace("/mcp", "/metrics"))).status_code == 200
        process.terminate()
        assert await exit_status(process) == 0
    assert imported(project) == ""


@pytest.mark.parametrize("arguments", [["demo"], ["token", "ann"], ["--version"], ["check"]])
def test_other_commands(command: Sequence[str], project: Path, arguments: list[str]) -> None:
    completed = subprocess.run(
        [*command, *arguments], cwd=project, env=environment(), capture_output=True, encoding="utf-8", check=False
    )
    assert completed.returncode == (1 if arguments == ["check"] else 0), completed.stderr
    assert imported(project) == ""
