"""The write log of the command itself: a full disk, the end of the process, several workers."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import anyio
import httpx

from customerio_track_mcp.cli.log_summary import Summary
from tests.support.http_service import HEADERS, call
from tests.support.messages import INITIALIZE
from tests.support.process import COMMAND, environment, running, terminate, url_from_stderr
from tests.support.scripted_server import ScriptedServer

FULL_DISK = 'ulimit -f 1; exec "$@"'
"""No file grows beyond 512 bytes or one KiB, as the shell counts."""


def calls(number: int) -> str:
    messages = [dict(INITIALIZE)]
    messages += [
        {
            "jsonrpc": "2.0",
            "id": position,
            "method": "tools/call",
            "params": {"name": "send_event", "arguments": {"customer_id": "1", "event_name": f"event {position}"}},
        }
        for position in range(1, number + 1)
    ]
    return "".join(f"{json.dumps(message)}\n" for message in messages)


async def test_full_disk_fails_no_call_and_whole_lines_remain(scripted: ScriptedServer, tmp_path: Path) -> None:
    log = tmp_path / "log"
    env = environment(track_url=scripted.url, api_key="site:key", write_log=str(log))

    def session() -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["/bin/sh", "-c", FULL_DISK, "sh", *COMMAND],
            input=calls(20),
            env=env,
            capture_output=True,
            encoding="utf-8",
            timeout=60,
            check=False,
        )

    process = await anyio.to_thread.run_sync(session)
    assert (process.returncode, process.stdout.count('"isError":false')) == (0, 20), process.stderr
    assert process.stderr.count("write log can't be written") == 1
    *lines, torn = log.read_text(encoding="ascii").split("\n")
    assert lines
    assert all(json.loads(line)["outcome"] == "accepted" for line in lines)
    assert torn

    summary = Summary()
    with log.open("rb") as file:
        summary.read(file)
    assert (sum(group.calls for group in summary.groups.values()), summary.unreadable) == (len(lines), 1)


async def test_all_workers_append_and_write_everything_before_they_end(
    scripted: ScriptedServer, tmp_path: Path
) -> None:
    log = tmp_path / "log"
    env = environment(track_url=scripted.url, api_key="site:key", write_log=str(log))
    with running("http", "--port", "0", "--workers", "2", env=env) as process:
        url = await anyio.to_thread.run_sync(url_from_stderr, process, "listening on")

        for number in range(8):
            # A connection of its own, so that each worker gets some.
            async with httpx.AsyncClient(trust_env=False, headers=HEADERS, timeout=60) as client:
                await client.post(url, json=call(customer_id="1", event_name=f"event {number}"))
        await terminate(process)
    lines = [json.loads(line) for line in log.read_text(encoding="ascii").splitlines() if line]
    assert sorted(line["event"] for line in lines) == [f"event {number}" for number in range(8)]
