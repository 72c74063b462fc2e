"""A dry run, at the sockets: nothing connects to the Track API or to Redis, on any path from start to end."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import anyio
import httpx
import pytest
from mcp import Client, StdioServerParameters

from tests.support.audit import audit_events, audited
from tests.support.process import COMMAND, environment, running, terminate, url_from_stderr
from tests.support.sandbox_state import state_of

CALLS: Final[Mapping[str, Mapping[str, object]]] = {
    "create_or_update_customer": {"customer_id": "1042", "email": "ann@example.com"},
    "send_event": {"customer_id": "1042", "event_name": "purchase", "data": {"order": "A-17"}},
    "add_customers_to_segment": {"segment_id": "1", "customer_ids": ["1042", "1042", "7"]},
}
INSTRUCTION: Final = "This is a dry run: nothing is sent."
MODES: Final = ("legacy", "auto")


@dataclass(frozen=True)
class Upstream:
    """The Track API and Redis: listening sockets whose connections nobody accepts, so that the kernel keeps them.

    Attributes:
        track_api, redis: the sockets.
    """

    track_api: socket.socket
    redis: socket.socket

    @property
    def settings(self) -> dict[str, str]:
        """Settings of a server with this upstream, whose hostname would be looked up."""
        track_api, redis = (f"localhost:{listener.getsockname()[1]}" for listener in (self.track_api, self.redis))
        return {
            "api_key": "site:key",
            "track_url": f"http://{track_api}",
            "rate_limit_storage": f"redis://{redis}/0",
            "max_attempts": "3",
            "time_budget": "1",
        }

    def connections(self) -> tuple[int, int]:
        """Return how many connections the Track API and Redis have got since the last call."""
        return _waiting(self.track_api), _waiting(self.redis)


@pytest.fixture
def upstream() -> Iterator[Upstream]:
    with socket.create_server(("127.0.0.1", 0)) as track_api, socket.create_server(("127.0.0.1", 0)) as redis:
        yield Upstream(track_api, redis)


def _waiting(listener: socket.socket) -> int:
    listener.setblocking(False)
    number = 0
    while True:
        try:
            connection, _ = listener.accept()
        except BlockingIOError:
            return number
        connection.close()
        number += 1


def network_events(folder: Path) -> list[Any]:
    """Return the connections and lookups of the process in whose environment `folder` is."""
    return [event for event in audit_events(folder) if event[0].startswith("socket.")]


async def check_calls(client: Client) -> None:
    assert INSTRUCTION in (client.instructions or "")
    for tool, arguments in CALLS.items():
        result = await client.call_tool(tool, dict(arguments))
        assert not result.is_error
        assert result.structured_content["success"] is True
        assert result.structured_content["message"].startswith("Dry run: nothing was sent. ")
        for invalid in ({}, {**arguments, "customer_id": "", "segment_id": "x"}):
            result = await client.call_tool(tool, invalid)
            assert result.is_error
            assert result.structured_content["error"].startswith("Nothing was sent. ")


@pytest.mark.parametrize(
    ("mode", "arguments", "settings"),
    [("legacy", ["--dry-run"], {"dry_run": "false"}), ("auto", ["stdio"], {"dry_run": "true", "api_key": ""})],
)
async def test_stdio_connects_to_nothing(
    upstream: Upstream, tmp_path: Path, mode: str, arguments: list[str], settings: dict[str, str]
) -> None:
    env = audited(tmp_path, environment(**upstream.settings | settings))
    parameters = StdioServerParameters(command=COMMAND[0], args=[*COMMAND[1:], *arguments], env=env, cwd=tmp_path)
    async with Client(parameters, mode=mode) as client:
        await check_calls(client)
    assert upstream.connections() == (0, 0)
    assert network_events(tmp_path) == []


async def test_http_with_workers_connects_to_nothing(upstream: Upstream, tmp_path: Path) -> None:
    env = audited(tmp_path, environment(**upstream.settings, log_format="json"))
    with running("http", "--port", "0", "--workers", "2", "--dry-run", env=env) as process:
        assert process.stderr is not None
        first = await anyio.to_thread.run_sync(process.stderr.readline)
        second = await anyio.to_thread.run_sync(process.stderr.readline)
        url = await anyio.to_thread.run_sync(url_from_stderr, process, "listening on")
        for mode in MODES:
            async with Client(url, mode=mode) as client:
                await check_calls(client)
        async with httpx.AsyncClient(trust_env=False, base_url=url.removesuffix("/mcp"), timeout=30) as http:
            for _ in range(6):  # of both workers
                ready = await http.get("/readyz", headers={"Connection": "close"})
                assert (ready.status_code, ready.text) == (200, "ready (dry run: the Track API is not asked)\n")
                assert (await http.get("/healthz", headers={"Connection": "close"})).status_code == 200
            metrics = (await http.get("/metrics")).text
        log = await terminate(process)
    assert json.loads(first)["event"] == "dry run: nothing is sent"
    assert json.loads(second) | {"event": "service started", "dry_run": True, "controls": ""} == json.loads(second)
    for tool in CALLS:
        assert f'tool_calls_total{{outcome="dry_run",tool="{tool}"}} {len(MODES)}.0' in metrics
    outcomes = [json.loads(line).get("outcome") for line in log.splitlines() if line.startswith("{")]
    assert outcomes.count("dry_run") == len(MODES) * len(CALLS)
    assert upstream.connections() == (0, 0)
    assert network_events(tmp_path) == []


async def test_http_with_a_sandbox_sends_it_nothing(upstream: Upstream) -> None:
    """Without credentials and with one process; the variable instead of the option."""
    settings = {"dry_run": "true", "rate_limit_storage": upstream.settings["rate_limit_storage"]}
    with running("http", "--port", "0", "--sandbox", env=environment(**settings)) as process:
        sandbox_url = await anyio.to_thread.run_sync(url_from_stderr, process, "sandbox Track API at")
        url = await anyio.to_thread.run_sync(url_from_stderr, process, "listening on")
        async with Client(url) as client:
            await check_calls(client)
            assert client.instructions is not None
            assert "This is a sandbox without real data" in client.instructions
        async with httpx.AsyncClient(trust_env=False, base_url=sandbox_url, timeout=30) as http:
            state = await state_of(http)
        log = await terminate(process)
    assert state["requests"] == 0
    assert upstream.connections() == (0, 0)
    assert log.count("outcome=dry_run") == len(CALLS)


async def test_without_a_dry_run_the_sockets_and_the_audit_show_every_connection(
    upstream: Upstream, tmp_path: Path
) -> None:
    """What the other tests rely on."""
    env = audited(tmp_path, environment(**upstream.settings))
    with running("http", "--port", "0", env=env) as process:
        url = await anyio.to_thread.run_sync(url_from_stderr, process, "listening on")
        async with httpx.AsyncClient(trust_env=False, base_url=url.removesuffix("/mcp"), timeout=30) as http:
            assert (await http.get("/readyz")).text == "ready\n"
        by_probe = upstream.connections()
        async with Client(url) as client:
            await client.call_tool("send_event", dict(CALLS["send_event"]))
        by_call = upstream.connections()
        await terminate(process)
    assert by_probe[0] > 0
    assert by_probe[1] == 0
    assert min(by_call) > 0
    assert {name for name, _ in network_events(tmp_path)} == {"socket.connect", "socket.getaddrinfo"}
