"""Several processes behind one port."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from contextlib import AbstractContextManager
from pathlib import Path

import anyio
import httpx
import pytest
from mcp import Client

from customerio_track_mcp.sandbox import RunningSandbox
from tests.http_service.serving import HEADERS, PING, call, payload_in
from tests.http_service.test_shutdown import ended
from tests.process import environment, run, running, url_told
from tests.waiting import until


def service(track_url: str, **settings: str) -> AbstractContextManager[subprocess.Popen[str]]:
    env = environment(track_url=track_url, api_key="sandbox:sandbox", **settings)
    return running("http", "--port", "0", "--workers", "2", env=env)


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
