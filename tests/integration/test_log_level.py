"""The default log level: WARNING on stdio, since hosts show what is on stderr as errors, and INFO over HTTP."""

from __future__ import annotations

import json
from pathlib import Path

import anyio
import httpx
import pytest

from customerio_track_mcp.sandbox import RunningSandbox
from tests.support.http_service import HEADERS, call
from tests.support.loaded_command import run_loaded, running_loaded
from tests.support.messages import INITIALIZE
from tests.support.process import environment, terminate, url_from_stderr

CALL = f"{json.dumps(INITIALIZE)}\n{json.dumps(call())}\n"


@pytest.mark.parametrize("log_format", ["text", "json"])
@pytest.mark.parametrize("arguments", [[], ["stdio"]])
async def test_stdio_logs_no_calls_by_default(sandbox: RunningSandbox, log_format: str, arguments: list[str]) -> None:
    env = environment(api_key="sandbox:sandbox", track_url=sandbox.url, log_format=log_format)
    completed = await anyio.to_thread.run_sync(lambda: run_loaded(*arguments, stdin=CALL, env=env))
    assert completed.returncode == 0
    assert completed.stderr == ""
    assert [event.name for event in sandbox.workspace.events] == ["bought"]


@pytest.mark.parametrize("source", ["variable", "file"])
async def test_a_level_that_is_set_applies_to_stdio(sandbox: RunningSandbox, tmp_path: Path, source: str) -> None:
    (tmp_path / "named.env").write_text("CUSTOMERIO_LOG_LEVEL=info\n", encoding="utf-8")
    level = {"log_level": "INFO"} if source == "variable" else {"env_file": "named.env"}
    env = environment(api_key="sandbox:sandbox", track_url=sandbox.url, **level)
    completed = await anyio.to_thread.run_sync(lambda: run_loaded(stdin=CALL, env=env))
    assert "tool call tool=send_event outcome=ok" in completed.stderr


def test_warnings_are_logged_on_stdio() -> None:
    env = environment(api_key="site:key", track_url="http://127.0.0.1:1", max_attempts="2", time_budget="30")
    assert "attempt failed" in run_loaded(stdin=CALL, env=env).stderr


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_http_logs_calls_by_default(sandbox: RunningSandbox, workers: str) -> None:
    env = environment(api_key="sandbox:sandbox", track_url=sandbox.url)
    with running_loaded("http", "--port", "0", "--workers", workers, env=env) as process:
        url = await anyio.to_thread.run_sync(url_from_stderr, process, "listening on")
        async with httpx.AsyncClient(trust_env=False, headers=HEADERS) as http:
            await http.post(url, json=call())
        assert "tool call tool=send_event outcome=ok" in await terminate(process)
