"""The sandbox's data file, with the sandbox in its own process."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import httpx
import pytest

from customerio_track_mcp.sandbox import run_sandbox
from tests.support.process import run, running, url_from_stderr
from tests.support.sandbox_state import AUTH, send_requests, state_of
from tests.support.waiting import wait_until


async def test_confirmed_requests_survive_a_kill(tmp_path: Path) -> None:
    file = tmp_path / "sandbox.db"
    with running("sandbox", "--port", "0", "--data", str(file)) as process:
        before = await send_requests(url_from_stderr(process, "sandbox Track API at"))
        process.send_signal(signal.SIGKILL)
        process.wait()
    async with run_sandbox(data=file) as sandbox, httpx.AsyncClient(base_url=sandbox.url) as http:
        assert await state_of(http) == before | {"can_play_demo": False}


async def test_request_in_flight_when_the_sandbox_is_killed_has_no_response_after_the_restart(tmp_path: Path) -> None:
    file = tmp_path / "sandbox.db"
    with running("sandbox", "--port", "0", "--data", str(file)) as process:
        url = url_from_stderr(process, "sandbox Track API at")
        async with httpx.AsyncClient(base_url=url, auth=AUTH, trust_env=False) as http:
            await http.post("/_sandbox/faults", json={"kind": "delay", "seconds": 600})
            event = {"name": "bought"}
            delayed = asyncio.create_task(http.post("/api/v1/customers/1/events", json=event, timeout=None))

            async def is_in_flight() -> bool:
                return bool((await state_of(http))["request_log"])

            await wait_until(is_in_flight)
            (entry,) = (await state_of(http))["request_log"]
            assert (entry["status"], entry["seconds"]) == (None, None)
            process.send_signal(signal.SIGKILL)
            process.wait()
            with pytest.raises(httpx.TransportError):
                await delayed
    async with run_sandbox(data=file) as sandbox, httpx.AsyncClient(base_url=sandbox.url) as http:
        (restored,) = (await state_of(http))["request_log"]
    assert restored == entry | {"seconds": 0.0}


def test_file_that_cannot_be_opened_is_reported_as_an_invalid_option(tmp_path: Path) -> None:
    result = run("sandbox", "--port", "0", "--data", str(tmp_path / "no" / "such" / "folder"))
    assert result.returncode == 2
    assert "--data: " in result.stderr
    assert "Traceback" not in result.stderr
