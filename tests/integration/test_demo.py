"""The demo: its output, that it fails if the sandbox recorded something else, its page, and its data on demand."""

from __future__ import annotations

import os
import re
import shlex
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import anyio
import httpx
import psutil
import pytest
from anyio.streams.buffered import BufferedByteReceiveStream

from customerio_track_mcp.cli.demo import own_command
from customerio_track_mcp.demo import play, run_demo, scenario
from customerio_track_mcp.demo.customers import read_customers
from customerio_track_mcp.sandbox import RunningSandbox, run_sandbox
from customerio_track_mcp.sandbox.certificate import create_certificate
from customerio_track_mcp.sandbox.state import WorkspaceState
from tests.support.loaded_command import LoadedProcess, run_loaded, running_loaded
from tests.support.process import COMMAND, environment, url_from_stderr
from tests.support.sandbox_state import state_of
from tests.support.waiting import wait_until


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the demo's calls follow each other without a pause."""
    monkeypatch.setattr(scenario, "_SECONDS_BETWEEN_CALLS", 0)


@pytest.fixture
def _on_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a shell find the command, as after an installation."""
    monkeypatch.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")


def test_command_that_a_shell_does_not_find_is_named_by_its_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    (script,) = shlex.split(own_command())
    assert subprocess.check_output([script, "--version"], text=True).startswith("customerio-track-mcp ")


@pytest.mark.usefixtures("_on_path")
def test_demo_ignores_the_settings_of_a_real_workspace() -> None:
    result = run_loaded("demo", env=environment(api_key="real-key", region="mars"))
    assert result.returncode == 0, result.stdout + result.stderr
    assert "36 people, 56 events in 96 requests" in result.stdout
    assert "13 people in segment 2" in result.stdout
    assert len(re.findall("on attempt 2; the event id is ", result.stdout)) == 2
    assert "1 repeated event, recognized by its id and recorded once" in result.stdout
    assert "  dropped: addition to segment 2 for 1099: no person has this id" in result.stdout
    assert "pass seconds (1672560000" in result.stdout
    assert "FAILED" not in result.stdout
    assert "real-key" not in result.stdout + result.stderr
    assert result.stdout.splitlines()[-3:] == [
        "Next:",
        "  Watch it on the sandbox's page: customerio-track-mcp demo --open",
        "  Try it in an MCP host: customerio-track-mcp install claude-desktop --sandbox ('install --list' shows the "
        "other hosts)",
    ]


async def test_demo_fails_if_the_sandbox_recorded_something_else(monkeypatch: pytest.MonkeyPatch) -> None:
    recorded_twice: list[str] = []
    track = WorkspaceState.track

    def track_twice(self: WorkspaceState, identifier: str, body: dict[str, object]) -> object:
        effect = track(self, identifier, body)
        if not recorded_twice:
            recorded_twice.append(identifier)
            track(self, identifier, body | {"id": None})
        return effect

    monkeypatch.setattr(WorkspaceState, "track", track_twice)
    lines: list[str] = []
    assert await run_demo(lines.append) == 1
    assert "FAILED: send_event: the tools confirmed 56, the sandbox recorded 57" in lines


async def test_demo_fails_without_its_drop_or_with_another_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scenario, "_UNKNOWN_ID", "1003")
    lines: list[str] = []
    assert await run_demo(lines.append) == 1
    assert "FAILED: expected a drop of 1003 alone, the sandbox recorded []" in lines


def test_example_customers_are_distinct() -> None:
    customers = read_customers()
    assert len(customers) >= 24
    for name in ("customer_id", "email"):
        assert len({customer[name] for customer in customers}) == len(customers)
    assert any("+" in customer["email"] for customer in customers)
    assert any(not customer["attributes"]["last_name"].isascii() for customer in customers)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


@contextmanager
def open_demo(folder: Path, port: int) -> Iterator[tuple[LoadedProcess, str, list[str]]]:
    """Run `demo --open` until it waits; yields the process, the URL that the browser got, and the lines of stdout."""
    browser = folder / "browser"
    browser.write_text(f'#!/bin/sh\nprintf %s "$1" > {folder}/half && mv {folder}/half {folder}/url\n')
    browser.chmod(0o755)
    with running_loaded(
        "demo", "--open", env=environment(sandbox_port=str(port)) | {"BROWSER": str(browser)}
    ) as process:
        assert process.stdout is not None
        lines: list[str] = []
        for line in process.stdout:
            lines.append(line.rstrip("\n"))
            if line.startswith("Press Ctrl+C"):
                break
        assert lines[-1] == "Press Ctrl+C to stop the sandbox."
        while not (folder / "url").exists():
            os.sched_yield()
        yield process, (folder / "url").read_text(), lines


@pytest.mark.usefixtures("_on_path")
def test_demo_keeps_its_page_for_hosts_until_it_is_stopped(tmp_path: Path) -> None:
    port = free_port()
    with open_demo(tmp_path, port) as (process, url, lines):
        assert url == f"http://127.0.0.1:{port}"
        assert "Passed: all that the tools confirmed was recorded exactly once, except the unknown id." in lines
        install = "customerio-track-mcp install claude-desktop --sandbox"
        assert f"  Attach an MCP host to this sandbox: {install} ('install --list' shows the other hosts)" in lines
        state = httpx.get(f"{url}/_sandbox/state", trust_env=False).json()
        assert len(state["people"]) == len(read_customers())
        assert sum(call["is_error"] for call in state["calls"]) == 1
        host = run_loaded("--sandbox", env=environment(sandbox_port=str(port)))
        assert f"using the sandbox Track API at {url}, which runs already" in host.stderr
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 0
        assert process.stdout is not None
        assert process.stdout.read() == ""
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()


def test_demo_with_its_page_leaves_a_running_sandbox_alone(tmp_path: Path) -> None:
    with running_loaded("sandbox", "--port", "0") as other:
        other_url = url_from_stderr(other, "sandbox Track API at")
        port = httpx.URL(other_url).port or 0
        with open_demo(tmp_path, port) as (process, url, lines):
            assert url != other_url
            assert (
                f"Port {port} is in use, perhaps by another sandbox: --sandbox alone does not find this one." in lines
            )
            assert any(f"install claude-desktop --sandbox {url} (" in line for line in lines)
            assert httpx.get(f"{other_url}/_sandbox/state", trust_env=False).json()["requests"] == 0
            process.terminate()
            assert process.wait(timeout=60) == 0


def test_demo_that_is_interrupted_ends_without_a_traceback() -> None:
    with running_loaded("demo") as process:
        assert process.stdout is not None
        while not process.stdout.readline().startswith("Load example data"):
            pass
        children = psutil.Process(process.pid).children(recursive=True)
        process.send_signal(signal.SIGINT)
        assert process.wait(timeout=60) == 130
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()
        assert psutil.wait_procs(children, timeout=60)[1] == []


@pytest.mark.usefixtures("at_once")
async def test_data_is_played_into_a_sandbox_that_is_in_use(
    sandbox: RunningSandbox, capfd: pytest.CaptureFixture[str]
) -> None:
    async with httpx.AsyncClient(base_url=sandbox.url, auth=("sandbox", "sandbox"), trust_env=False) as http:
        await http.put("/api/v1/customers/own", json={"email": "own@example.com"})
        for _ in range(2):
            await play(sandbox.url)
        state = await state_of(http)
    assert len(state["people"]) == len(read_customers()) + 1
    assert len(state["events"]) == 2 * 56
    assert [request["fault"] for request in state["request_log"] if request["fault"]] == ["status", "lost_reply"] * 2
    assert state["faults_waiting"] == 0
    assert capfd.readouterr() == ("", "")


@pytest.mark.usefixtures("at_once")
async def test_data_is_played_over_tls(tmp_path: Path) -> None:
    certificate = create_certificate([])
    ca_file = tmp_path / "ca.pem"
    ca_file.write_bytes(certificate.ca_pem)
    async with run_sandbox(ssl_context=certificate.context) as sandbox:
        await play(sandbox.url, ca_file)
        assert len(sandbox.workspace.events) == 56
        trusting = ssl.create_default_context(cafile=ca_file)
        async with httpx.AsyncClient(base_url=sandbox.url, verify=trusting, trust_env=False) as http:
            assert len((await state_of(http))["calls"]) == 95


@pytest.mark.usefixtures("at_once")
async def test_data_is_played_into_a_sandbox_that_listens_on_all_addresses() -> None:
    async with run_sandbox(host="0.0.0.0") as sandbox:
        await play(sandbox.url)
        assert len(sandbox.workspace.events) == 56


async def test_a_demo_that_is_canceled_ends_its_server(sandbox: RunningSandbox) -> None:
    before = set(psutil.Process().children(recursive=True))
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(play, sandbox.url)
        await wait_until(lambda: len(sandbox.workspace.events) > 2)
        started = [child for child in psutil.Process().children(recursive=True) if child not in before]
        assert started != []
        tasks.cancel_scope.cancel()
    assert psutil.wait_procs(started, timeout=0)[1] == []


async def test_a_sandbox_that_has_stopped_is_reported() -> None:
    async with run_sandbox() as sandbox:
        url = sandbox.url
    with pytest.raises(Exception, match="Connection closed"):
        await play(url)


async def test_the_page_of_a_server_over_stdio_plays_the_data_and_the_protocol_stays_clean() -> None:
    async with await anyio.open_process([*COMMAND, "--sandbox"], env=environment(), stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdin is not None
        assert process.stderr is not None
        line = (await BufferedByteReceiveStream(process.stderr).receive_until(b"\n", 2**16)).decode()
        (url,) = re.findall(r"sandbox Track API at (\S+) ", line)
        async with (
            httpx.AsyncClient(base_url=url, trust_env=False, timeout=60) as http,
            http.stream("GET", "/_sandbox/changes") as changes,
        ):
            assert (await http.post("/_sandbox/demo")).status_code == 202
            async for line in changes.aiter_lines():
                if line.startswith('data: {"is_playing_demo": false'):
                    break
            state = await state_of(http)
        assert len(state["people"]) == len(read_customers())
        assert sum(call["is_error"] for call in state["calls"]) == 1
        await process.stdin.aclose()
        assert [chunk async for chunk in process.stdout] == []
        assert [chunk async for chunk in process.stderr] == []
        assert await process.wait() == 0
