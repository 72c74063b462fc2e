"""Several worker processes behind one port: `http --workers`."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from contextlib import AbstractContextManager
from pathlib import Path
from socket import create_server

import anyio
import httpx
import pytest
from mcp import Client

from customerio_track_mcp.http.supervisor import Supervisor
from customerio_track_mcp.sandbox import RunningSandbox
from tests.support.http_service import HEADERS, PING, TOKEN, another_call, call, payload_in
from tests.support.loaded_command import LoadedProcess, run_loaded, running_loaded
from tests.support.process import Process, environment, exit_status, run, terminate, url_from_stderr
from tests.support.scripted_server import ScriptedServer, respond_when
from tests.support.waiting import wait_until


def service(track_url: str, **settings: str) -> AbstractContextManager[LoadedProcess]:
    """Start two workers, in a process group of their own, as a terminal or a service manager does."""
    env = environment(track_url=track_url, api_key="sandbox:sandbox", **settings)
    return running_loaded("http", "--port", "0", "--workers", "2", env=env, own_group=True)


def start(command: list[str], env: dict[str, str], directory: Path) -> subprocess.Popen[str]:
    """Start a command in a working directory."""
    return subprocess.Popen(command, env=env, cwd=directory, stderr=subprocess.PIPE, encoding="utf-8")


def workers_of(process: Process) -> list[int]:
    """Return the process ids of a supervisor's workers."""
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text(encoding="ascii")
    return [int(child) for child in children.split()]


def state_of(process_id: int) -> str:
    """Return the state of a process as one letter, `Z` for a zombie; empty if it does not exist."""
    try:
        return Path(f"/proc/{process_id}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return ""


def is_alive(process_id: int) -> bool:
    """Return whether a process exists and is not a zombie."""
    return state_of(process_id) not in ("", "Z")


async def post(url: str, message: object = PING) -> httpx.Response:
    """Send a message on a new connection, which any worker may accept."""
    async with httpx.AsyncClient(trust_env=False, headers=HEADERS, timeout=30) as http:
        return await http.post(url, json=message)


async def metrics_of(url: str) -> dict[str, float]:
    """Return the value of each metric, by name and labels."""
    async with httpx.AsyncClient(trust_env=False) as http:
        text = (await http.get(url.replace("/mcp", "/metrics"))).text
    samples = [line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in samples}


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_any_worker_serves_any_request(sandbox: RunningSandbox, mode: str) -> None:
    with service(sandbox.url) as process:
        url = url_from_stderr(process, "listening on .* with 2 workers")
        assert len(workers_of(process)) == 2
        async with Client(url, mode=mode) as client:
            for number in range(20):
                result = await client.call_tool("send_event", {"customer_id": "1", "event_name": f"event {number}"})
                assert result.structured_content["success"]
        metrics = await metrics_of(url)
        assert metrics['customerio_track_mcp_tool_calls_total{outcome="ok",tool="send_event"}'] == 20
        process.send_signal(signal.SIGTERM)
        assert await exit_status(process) == 0
    assert len(list(sandbox.workspace.events)) == 20


async def test_dead_worker_is_replaced(sandbox: RunningSandbox) -> None:
    with service(sandbox.url) as process:
        url = url_from_stderr(process, "listening on")
        workers = workers_of(process)
        os.kill(workers[0], signal.SIGKILL)
        await wait_until(lambda: len(workers_of(process)) == 2 and workers[0] not in workers_of(process))
        assert process.stderr is not None
        assert "a worker died; another takes its place" in process.stderr.readline()

        async def is_served() -> bool:
            return bool(payload_in(await post(url, call()))["success"])

        await wait_until(is_served)
        process.send_signal(signal.SIGTERM)
        assert await exit_status(process) == 0


async def test_hung_worker_is_replaced(sandbox: RunningSandbox) -> None:
    with service(sandbox.url, http_worker_timeout="2") as process:
        url = url_from_stderr(process, "listening on")
        hung, other = workers_of(process)
        os.kill(hung, signal.SIGSTOP)
        await wait_until(lambda: len(workers_of(process)) == 2 and hung not in workers_of(process))
        assert other in workers_of(process)
        assert process.stderr is not None
        assert "a worker hung; another takes its place seconds=2" in process.stderr.readline()
        assert payload_in(await post(url, call()))["success"]
        assert (await terminate(process)).count("another takes its place") == 0
    assert process.returncode == 0


async def test_suspended_service_keeps_its_workers(sandbox: RunningSandbox) -> None:
    """As if a container or a virtual machine were paused, and the supervisor continued first."""
    with service(sandbox.url, http_worker_timeout="2") as process:
        url = url_from_stderr(process, "listening on")
        workers = workers_of(process)
        for process_id in (process.pid, *workers):
            os.kill(process_id, signal.SIGSTOP)
        resume_at = time.monotonic() + 3
        await wait_until(lambda: time.monotonic() > resume_at)
        os.kill(process.pid, signal.SIGCONT)
        await wait_until(lambda: state_of(process.pid) == "S")
        for process_id in workers:
            os.kill(process_id, signal.SIGCONT)
        assert payload_in(await post(url, call()))["success"]
        assert workers_of(process) == workers
        assert "another takes its place" not in await terminate(process)
    assert process.returncode == 0


async def test_workers_end_when_their_supervisor_is_killed(sandbox: RunningSandbox) -> None:
    with service(sandbox.url) as process:
        url_from_stderr(process, "listening on")
        workers = workers_of(process)
        process.kill()
        await wait_until(lambda: not any(map(is_alive, workers)))


def test_setting_that_workers_cannot_use_prevents_startup() -> None:
    env = environment(rate_limit_storage="redis://localhost:no-port/0")
    completed = run_loaded("http", "--port", "0", "--workers", "2", "--sandbox", env=env)
    assert completed.returncode == 2
    assert "CUSTOMERIO_RATE_LIMIT_STORAGE: invalid URL: expected redis://HOST:PORT/DB" in completed.stderr
    assert "takes its place" not in completed.stderr


@pytest.mark.parametrize("number", ["0", "-1", "65", "two"])
def test_invalid_number_of_workers_is_reported(number: str) -> None:
    completed = run_loaded("http", "--workers", number, "--sandbox")
    assert completed.returncode == 2
    assert f"invalid number of workers '{number}': expected 1 to 64" in completed.stderr


async def test_workers_share_one_sandbox() -> None:
    with running_loaded("http", "--port", "0", "--workers", "2", "--sandbox") as process:
        sandbox = url_from_stderr(process, "sandbox Track API at")
        url = url_from_stderr(process, "listening on")
        async with anyio.create_task_group() as tasks:
            for _ in range(10):
                tasks.start_soon(post, url, another_call())
        async with httpx.AsyncClient(trust_env=False) as http:
            state = (await http.get(f"{sandbox}/_sandbox/state")).json()
        assert len(state["events"]) == 10


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_signal_to_the_process_group_counts_once(scripted: ScriptedServer, number: signal.Signals) -> None:
    """A terminal sends SIGINT to the whole group at Ctrl-C, and some service managers send SIGTERM to it."""
    go = anyio.Event()
    scripted.acts = [respond_when(go)]
    responses: list[httpx.Response] = []
    with service(scripted.url) as process:
        url = url_from_stderr(process, "listening on")

        async def send() -> None:
            responses.append(await post(url, call()))

        async def is_refused() -> bool:
            try:
                await post(url)
            except httpx.ConnectError:
                return True
            except httpx.TransportError:
                pass  # the connection was still in the backlog of the closed socket
            return False

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(send)
            await scripted.received.wait()
            os.killpg(process.pid, number)
            # The supervisor must close the socket too: otherwise connections are accepted that nobody serves.
            await wait_until(is_refused)
            go.set()
        assert payload_in(responses[0])["success"]
        assert await exit_status(process) == 0


async def test_frozen_worker_is_killed_after_the_timeout(sandbox: RunningSandbox) -> None:
    with service(sandbox.url, http_grace_period="0") as process:
        url_from_stderr(process, "listening on")
        workers = workers_of(process)
        os.kill(workers[0], signal.SIGSTOP)
        process.send_signal(signal.SIGTERM)
        assert await exit_status(process) == 1
        await wait_until(lambda: not any(map(is_alive, workers)))


async def test_workers_do_not_import_modules_from_the_working_directory(
    sandbox: RunningSandbox, tmp_path: Path
) -> None:
    (tmp_path / "aiolimiter.py").write_text("raise SystemExit('imported from the directory')", encoding="utf-8")
    env = environment(track_url=sandbox.url, api_key="sandbox:sandbox")
    command = [sys.executable, "-P", "-m", "customerio_track_mcp", "http", "--port", "0", "--workers", "2"]
    with start(command, env, tmp_path) as process:
        try:
            assert (await post(url_from_stderr(process, "listening on"))).status_code == 200
        finally:
            process.terminate()


async def test_worker_that_cannot_be_restarted_does_not_affect_the_others(
    scripted: ScriptedServer, tmp_path: Path
) -> None:
    """The interpreter is missing for a while, as during an upgrade of the environment."""
    python = tmp_path / "python"
    python.symlink_to(sys.executable)
    script = (
        f"import sys; sys.executable = {str(python)!r}; sys.argv[0] = 'x'; "
        "from customerio_track_mcp.__main__ import main; raise SystemExit(main())"
    )
    env = environment(track_url=scripted.url, api_key="site:key")
    env["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    command = [sys.executable, "-c", script, "http", "--port", "0", "--workers", "2"]
    with start(command, env, tmp_path) as process:
        try:
            url = url_from_stderr(process, "listening on")
            python.unlink()
            os.kill(workers_of(process)[0], signal.SIGKILL)
            assert process.stderr is not None
            assert "a worker died; another takes its place" in process.stderr.readline()
            assert "a worker can't be started error=FileNotFoundError" in process.stderr.readline()
            assert payload_in(await post(url, call()))["success"]
            python.symlink_to(sys.executable)
            await wait_until(lambda: len(workers_of(process)) == 2)
        finally:
            process.terminate()


def test_missing_metrics_directory_is_reported() -> None:
    env = environment() | {"PROMETHEUS_MULTIPROC_DIR": "/nonexistent"}
    completed = run("http", "--port", "0", "--sandbox", env=env)
    assert completed.returncode == 1
    assert "cannot start" in completed.stderr
    assert "Traceback" not in completed.stderr


async def test_json_startup_lines_are_logged_once(sandbox: RunningSandbox) -> None:
    arguments = ("http", "--host", "0.0.0.0", "--port", "0", "--workers", "2")
    env = environment(track_url=sandbox.url, api_key="no-site-id", log_format="json", http_tokens=f"ann {TOKEN}")
    with running_loaded(*arguments, env=env) as process:
        url_from_stderr(process, "listening on")
        rest = await terminate(process)
    env |= {"CUSTOMERIO_HTTP_TOKENS": ""}
    with running_loaded(*arguments, "--allow-unauthenticated", env=env) as process:
        assert process.stderr is not None
        first = [json.loads(process.stderr.readline())["event"] for _ in range(5)]
    events = [json.loads(line)["event"] for line in rest.splitlines()]
    assert events[0].startswith("accepts requests for these hostnames: ")
    assert events[1:] == ["service draining", "service draining", "service ended"]
    assert first[0].startswith("CUSTOMERIO_SITE_ID is not set")
    assert first[1] == "service started"
    assert first[2].startswith("listening on")
    assert first[4].startswith("WARNING: everybody")


async def test_frozen_worker_is_killed_if_another_cannot_start(tmp_path: Path) -> None:
    """The first worker exits with an error; the other neither becomes ready nor reacts to the supervisor."""
    marker = tmp_path / "first"
    script = (
        "import os, sys, time\n"
        f"try: os.close(os.open({str(marker)!r}, os.O_CREAT | os.O_EXCL))\n"
        "except FileExistsError: time.sleep(600)\n"
        "sys.exit(2)\n"
    )
    exited: list[int] = []
    with create_server(("127.0.0.1", 0)) as listener, anyio.fail_after(60):
        supervisor = Supervisor(
            [sys.executable, "-c", script],
            2,
            dict(os.environ),
            listener,
            drain_seconds=0,
            stop_seconds=0.5,
            worker_timeout=60,
            on_exit=exited.append,
        )
        assert await supervisor.run(lambda: None) == 2
    assert len(exited) == 2


def metrics_directory_of(process: Process) -> Path:
    """Return the directory in which the workers of a supervisor keep their metrics."""
    environ = Path(f"/proc/{workers_of(process)[0]}/environ").read_bytes().split(b"\0")
    (name,) = [entry.partition(b"=")[2] for entry in environ if entry.startswith(b"PROMETHEUS_MULTIPROC_DIR=")]
    return Path(os.fsdecode(name))


async def test_deleted_metrics_directory_is_created_again(sandbox: RunningSandbox) -> None:
    with service(sandbox.url) as process:
        url = url_from_stderr(process, "listening on")
        directory = metrics_directory_of(process)
        for round_number in range(2):
            if round_number == 0:
                shutil.rmtree(directory)
            else:
                for file in directory.iterdir():
                    file.unlink()
            os.kill(workers_of(process)[0], signal.SIGKILL)
            await wait_until(lambda: metrics_contain(url, 'tool_calls_total{outcome="ok",tool="send_event"} 0.0'))
            assert payload_in(await post(url, call()))["success"]
            await wait_until(lambda: metrics_contain(url, 'tool_calls_total{outcome="ok",tool="send_event"} 1.0'))
        assert directory.stat().st_mode & 0o777 == 0o700
        process.send_signal(signal.SIGTERM)
        assert await exit_status(process) == 0
        assert not directory.exists()


async def metrics_contain(url: str, text: str) -> bool:
    """Return whether `/metrics` responds with this text."""
    async with httpx.AsyncClient(trust_env=False) as http:
        try:
            return text in (await http.get(url.replace("/mcp", "/metrics"))).text
        except httpx.TransportError:
            return False  # the worker was killed meanwhile


async def test_next_start_deletes_the_metrics_of_a_killed_service(
    sandbox: RunningSandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    with service(sandbox.url) as killed, service(sandbox.url) as alive:
        for process in (killed, alive):
            url_from_stderr(process, "listening on")
        workers = workers_of(killed)
        lost, kept = metrics_directory_of(killed), metrics_directory_of(alive)
        killed.kill()
        await wait_until(lambda: not any(map(is_alive, workers)))
        assert lost.is_dir()
        with service(sandbox.url) as process:
            url_from_stderr(process, "listening on")
            assert not lost.exists()
            assert kept.exists()
            await terminate(process)
        await terminate(alive)
    assert not any(tmp_path.iterdir())  # noqa: ASYNC240 - nothing runs concurrently
