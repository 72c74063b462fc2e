"""A server that cannot open another file: a failed call must not need one, for example to import a module."""

from __future__ import annotations

import json
import resource
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from anyio import to_thread

from tests.support.messages import INITIALIZE
from tests.support.process import environment, running
from tests.support.scripted_server import Act, ScriptedServer, close, hang, reset, respond

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="prlimit is Linux's")

INITIALIZED = {"jsonrpc": "2.0", "method": "notifications/initialized"}
EVENT = {"customer_id": "42", "event_name": "order placed"}


async def handshake(process: subprocess.Popen[str]) -> None:
    await response_to(process, INITIALIZE)
    assert process.stdin is not None
    process.stdin.write(f"{json.dumps(INITIALIZED)}\n")


async def response_to(process: subprocess.Popen[str], message: Mapping[str, Any]) -> dict[str, Any]:
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.write(f"{json.dumps(message)}\n")
    process.stdin.flush()
    while (response := json.loads(await to_thread.run_sync(process.stdout.readline))).get("id") != message["id"]:
        pass
    result: dict[str, Any] = response["result"]
    return result


async def result_of(process: subprocess.Popen[str], request_id: int, **arguments: str) -> dict[str, Any]:
    params = {"name": "send_event", "arguments": EVENT | arguments}
    message = {"jsonrpc": "2.0", "id": request_id, "method": "tools/call", "params": params}
    result: dict[str, Any] = (await response_to(process, message))["structuredContent"]
    return result


def forbid_more_open_files(process: subprocess.Popen[str]) -> None:
    """Set the limit on open files to the lowest free descriptor."""
    used = {int(entry.name) for entry in Path(f"/proc/{process.pid}/fd").iterdir()}
    free = next(number for number in range(len(used) + 1) if number not in used)
    _, hard = resource.prlimit(process.pid, resource.RLIMIT_NOFILE)
    resource.prlimit(process.pid, resource.RLIMIT_NOFILE, (free, hard))


@pytest.mark.parametrize(
    ("act", "attempts", "expected"),
    [
        (respond(400, '{"meta": {"error": "bad"}}'), 1, "rejected"),
        (respond(401, "{}"), 1, "did not accept the credentials (401)"),
        (respond(302, "", location="https://track-eu.customer.io/"), 1, "redirected to track-eu.customer.io (302)"),
        (respond(500, "{}"), 2, "2 attempts"),
        (respond(429, "{}"), 2, "2 attempts"),
        (close, 1, "Whether the event was recorded is unknown"),
        (reset, 1, "Whether the event was recorded is unknown"),
        (hang, 1, "Whether the event was recorded is unknown"),
    ],
)
async def test_failed_call_is_reported_as_usual(
    scripted: ScriptedServer, act: Act, attempts: int, expected: str
) -> None:
    settings = {"api_key": "site:key", "track_url": scripted.url, "max_attempts": str(attempts), "read_timeout": "0.5"}
    with running(env=environment(**settings)) as process:
        await handshake(process)
        assert (await result_of(process, 1))["success"]
        scripted.otherwise = act
        forbid_more_open_files(process)
        result = await result_of(process, 2, event_name="order canceled")
    assert expected in result["error"]
    assert "Internal error" not in result["error"]


async def test_misspelled_parameter_is_reported_as_usual() -> None:
    with running(env=environment(api_key="site:key")) as process:
        await handshake(process)
        forbid_more_open_files(process)
        result = await result_of(process, 2, event_naem="x")
    assert "event_naem: is not a parameter" in result["error"]
