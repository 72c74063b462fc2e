"""Several processes behind one port."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from contextlib import AbstractContextManager
from pathlib import Path
from socket import create_server

import anyio
import httpx
import pytest
from anyio import to_thread
from mcp import Client

from customerio_track_mcp.http.supervisor import Workers
from customerio_track_mcp.sandbox import RunningSandbox
from tests.http_service.serving import HEADERS, PING, TOKEN, call, payload_in
from tests.http_service.test_shutdown import ended
from tests.process import environment, run, running, url_told
from tests.scripted import ScriptedServer, answer_when
from tests.waiting import until


def service(track_url: str, **settings: str) -> AbstractContextManager[subprocess.Popen[str]]:
    """Two workers, in a process group of their own as a terminal or a service manager would have them."""
    env = environment(track_url=track_url, api_key="sandbox:sandbox", **settings)
    return running("http", "--port", "0", "--workers", "2", env=env, own_group=True)


def workers_of(process: subprocess.Popen[str]) -> list[int]:
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text(encoding="ascii")
    return [int(child) for child in children.split()]


def alive(process_id: int) -> bool:
    try:
        state = Path(f"/proc/{process_id}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


async def post(url: str, message: object = PING) -> httpx.Response:
    """A request on a connection of its own, so that any worker may take it."""
    async with httpx.AsyncClient(trust_env=False, headers=HEADERS, timeout=30) as http:
        return await http.post(url, json=message)


async def counts(url: str) -> dict[str, float]:
    async with httpx.AsyncClient(trust_env=False) as http:
        told = (await http.get(url.replace("/mcp", "/metrics"))).text
    lines = [line.rsplit(" ", 1) for line in told.splitlines() if not line.startswith("#")]
    return {name: float(value) for name, value in lines}


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_any_worker_answers_any_request(sandbox: RunningSandbox, mode: str) -> None:
    with service(sandbox.url) as process:
        url = url_told(process, "listening on .* with 2 workers")
        assert len(workers_of(process)) == 2
        async with Client(url, mode=mode) as client:
            for number in range(20):
                result = await client.call_tool("send_event", {"customer_id": "1", "event_name": f"event {number}"})
                assert result.structured_content["success"]
        told = await counts(url)
        assert told['customerio_track_mcp_tool_calls_total{outcome="ok",tool="send_event"}'] == 20
        process.send_signal(signal.SIGTERM)
        assert await ended(process) == 0
    assert len(list(sandbox.workspace.events)) == 20


async def test_a_worker_that_dies_is_replaced(sandbox: RunningSandbox) -> None:
    with service(sandbox.url) as process:
        url = url_told(process, "listening on")
        first = workers_of(process)
        os.kill(first[0], signal.SIGKILL)
        await until(lambda: len(workers_of(process)) == 2 and first[0] not in workers_of(process))
        assert process.stderr is not None
        assert "a worker died; another takes its place" in process.stderr.readline()

        async def shared() -> bool:
            # Both processes tell: the one that stayed, and the one that came.
            return bool(payload_in(await post(url, call()))["success"])

        await until(shared)
        process.send_signal(signal.SIGTERM)
        assert await ended(process) == 0


async def test_workers_end_when_the_process_that_started_them_is_killed(sandbox: RunningSandbox) -> None:
    with service(sandbox.url) as process:
        url_told(process, "listening on")
        workers = workers_of(process)
        process.kill()
        await until(lambda: not any(map(alive, workers)))


def test_a_setting_that_no_worker_can_use_stops_the_start_once() -> None:
    redis = environment(rate_limit_storage="redis://localhost:no-port/0")
    ended_run = run("http", "--port", "0", "--workers", "2", "--sandbox", env=redis)
    assert ended_run.returncode == 2
    assert "CUSTOMERIO_RATE_LIMIT_STORAGE: is no URL of a Redis" in ended_run.stderr
    assert "takes its place" not in ended_run.stderr


@pytest.mark.parametrize("number", ["0", "-1", "65", "two"])
def test_a_number_of_workers_that_can_t_be(number: str) -> None:
    ended_run = run("http", "--workers", number, "--sandbox")
    assert ended_run.returncode == 2
    assert re.search(r"is no number of workers; allowed are 1 to 64", ended_run.stderr)


async def test_the_sandbox_is_one_for_all_workers() -> None:
    with running("http", "--port", "0", "--workers", "2", "--sandbox") as process:
        sandbox = url_told(process, "sandbox Track API at")
        url = url_told(process, "listening on")
        async with anyio.create_task_group() as tasks:
            for _ in range(10):
                tasks.start_soon(post, url, call())
        async with httpx.AsyncClient(trust_env=False) as http:
            state = (await http.get(f"{sandbox}/_sandbox/state")).json()
        assert len(state["events"]) == 10


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_to_the_whole_group_is_one_signal(scripted: ScriptedServer, number: signal.Signals) -> None:
    """Ctrl-C in a terminal, and what some service managers do."""
    go = anyio.Event()
    scripted.acts = [answer_when(go)]
    replies: list[httpx.Response] = []
    with service(scripted.url) as process:
        url = url_told(process, "listening on")

        async def send() -> None:
            replies.append(await post(url, call()))

        async def refused() -> bool:
            try:
                await post(url)
            except httpx.ConnectError:
                return True
            except httpx.TransportError:
                pass  # it was in the queue of a socket that was being closed
            return False

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(send)
            await scripted.received.wait()
            os.killpg(process.pid, number)
            # With the workers, the supervisor too lets go of the socket: nobody waits there for an answer.
            await until(refused)
            go.set()
        assert payload_in(replies[0])["success"]
        assert await ended(process) == 0


async def test_workers_that_hang_are_ended_in_time(sandbox: RunningSandbox) -> None:
    with service(sandbox.url, http_grace_period="0") as process:
        url_told(process, "listening on")
        workers = workers_of(process)
        os.kill(workers[0], signal.SIGSTOP)
        process.send_signal(signal.SIGTERM)
        assert await ended(process) == 1
        await until(lambda: not any(map(alive, workers)))


def started(command: list[str], settings: dict[str, str], folder: Path) -> subprocess.Popen[str]:
    return subprocess.Popen(command, env=settings, cwd=folder, stderr=subprocess.PIPE, encoding="utf-8")


async def test_workers_take_no_module_from_the_folder_they_are_started_in(
    sandbox: RunningSandbox, tmp_path: Path
) -> None:
    (tmp_path / "aiolimiter.py").write_text("raise SystemExit('taken from the folder')", encoding="utf-8")
    settings = environment(track_url=sandbox.url, api_key="sandbox:sandbox")
    command = [sys.executable, "-P", "-m", "customerio_track_mcp", "http", "--port", "0", "--workers", "2"]
    with started(command, settings, tmp_path) as process:
        try:
            assert (await post(url_told(process, "listening on"))).status_code == 200
        finally:
            process.terminate()


async def test_a_worker_that_can_t_be_started_again_costs_the_others_nothing(
    scripted: ScriptedServer, tmp_path: Path
) -> None:
    """As when an environment is upgraded under the service."""
    python = tmp_path / "python"
    python.symlink_to(sys.executable)
    bed = f"import sys; sys.executable = {str(python)!r}; sys.argv[0] = 'x'; "
    run_it = "from customerio_track_mcp.__main__ import main; raise SystemExit(main())"
    settings = environment(track_url=scripted.url, api_key="site:key")
    settings["PYTHONPATH"] = os.pathsep.join(path for path in sys.path if path)
    command = [sys.executable, "-c", bed + run_it, "http", "--port", "0", "--workers", "2"]
    with started(command, settings, tmp_path) as process:
        try:
            url = url_told(process, "listening on")
            python.unlink()
            os.kill(workers_of(process)[0], signal.SIGKILL)
            assert process.stderr is not None
            assert "a worker died; another takes its place" in process.stderr.readline()
            assert "a worker can't be started error=FileNotFoundError" in process.stderr.readline()
            assert payload_in(await post(url, call()))["success"]
            python.symlink_to(sys.executable)
            await until(lambda: len(workers_of(process)) == 2)
        finally:
            process.terminate()


def test_without_a_place_for_their_counts_the_start_says_so() -> None:
    settings = environment() | {"PROMETHEUS_MULTIPROC_DIR": "/nonexistent"}
    ended_run = run("http", "--port", "0", "--sandbox", env=settings)
    assert ended_run.returncode == 1
    assert "can't be started" in ended_run.stderr
    assert "Traceback" not in ended_run.stderr


async def test_in_json_every_line_is_json_and_told_once(sandbox: RunningSandbox) -> None:
    env = environment(track_url=sandbox.url, api_key="no-site-id", log_format="json", http_tokens=f"ann {TOKEN}")
    with running("http", "--host", "0.0.0.0", "--port", "0", "--workers", "2", env=env) as process:
        url_told(process, "listening on")
        process.terminate()
        _, rest = await to_thread.run_sync(process.communicate)
    env |= {"CUSTOMERIO_HTTP_TOKENS": ""}
    with running(
        "http", "--host", "0.0.0.0", "--port", "0", "--workers", "2", "--allow-unauthenticated", env=env
    ) as process:
        assert process.stderr is not None
        first = [json.loads(process.stderr.readline())["event"] for _ in range(4)]
    told = [json.loads(line)["event"] for line in rest.splitlines()]
    assert len(told) == 1
    assert told[0].startswith("answers requests that are addressed to: ")
    assert first[0].startswith("CUSTOMERIO_SITE_ID is not set")
    assert first[1].startswith("listening on")
    assert first[3].startswith("WARNING: everybody")


async def test_a_worker_that_hangs_while_another_can_t_start_is_not_waited_for(tmp_path: Path) -> None:
    """The first one to be started says that it can't; the other neither starts nor listens."""
    first = tmp_path / "first"
    script = (
        "import os, sys, time\n"
        f"try: os.close(os.open({str(first)!r}, os.O_CREAT | os.O_EXCL))\n"
        "except FileExistsError: time.sleep(600)\n"
        "sys.exit(2)\n"
    )
    gone: list[int] = []
    with create_server(("127.0.0.1", 0)) as listener, anyio.fail_after(60):
        workers = Workers(
            [sys.executable, "-c", script],
            2,
            dict(os.environ),
            listener,
            seconds_to_drain=0,
            seconds_to_end=0.5,
            ended=gone.append,
        )
        assert await workers.run(lambda: None) == 2
    assert len(gone) == 2
