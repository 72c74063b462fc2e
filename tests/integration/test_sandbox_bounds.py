"""The sandbox in its own process, against clients that try to exhaust it."""

from __future__ import annotations

import json
import socket
import sys
from collections.abc import Iterator
from contextlib import AsyncExitStack, ExitStack, contextmanager, suppress

import httpx
import psutil
import pytest

from customerio_track_mcp.sandbox.bounds import MAX_BODY_BYTES
from tests.support.process import running, terminate, url_from_stderr
from tests.support.raw_clients import AUTHORIZATION, silent_clients
from tests.support.sandbox_state import AUTH

MIB = 2**20
EVENT = {"name": "bought", "data": {"padding": "x" * 99_000}}
CHANGES = b"GET /_sandbox/changes HTTP/1.1\r\nHost: localhost\r\n\r\n"


@contextmanager
def sandbox_with_growth() -> Iterator[tuple[httpx.Client, dict[str, int]]]:
    """Run a sandbox; at the end, the dictionary contains how many MiB its resident memory has grown."""
    growth = {"MiB": 0}
    with running("sandbox", "--port", "0") as process:
        url = url_from_stderr(process, "sandbox Track API at")
        with httpx.Client(base_url=url, auth=AUTH, trust_env=False, timeout=60) as http:
            assert http.put("/api/v1/customers/1", json={"plan": "pro"}).status_code == 200
            memory = psutil.Process(process.pid).memory_info
            before = memory().rss
            yield http, growth
            growth["MiB"] = (memory().rss - before) // MIB


async def test_pages_that_do_not_read_do_not_hold_what_they_have_not_read() -> None:
    with sandbox_with_growth() as (http, growth):
        async with AsyncExitStack() as pages:
            for _ in range(12):
                await pages.enter_async_context(silent_clients(str(http.base_url), 5, CHANGES))
                for _ in range(40):
                    assert http.post("/api/v1/customers/1/events", json=EVENT).status_code == 200
    assert growth["MiB"] < 200


@pytest.mark.parametrize("shape", ["nested", "wide"])
def test_what_is_kept_is_bounded_by_its_memory(shape: str) -> None:
    data: dict[str, object] = (
        {"x": [[]] * 24_000} if shape == "nested" else {f"name{number}": number for number in range(5000)}
    )
    with sandbox_with_growth() as (http, growth):
        for _ in range(150):
            assert http.post("/api/v1/customers/1/events", json={"name": "bought", "data": data}).status_code == 200
    assert growth["MiB"] < 120


@pytest.mark.parametrize("arguments", [{"x": "é" * 500_000}, {"x": [[]] * 300_000}], ids=["long", "nested"])
def test_tool_calls_are_bounded_by_their_memory(arguments: dict[str, object]) -> None:
    call = {"at": 1, "seconds": 1, "tool": "send_event", "arguments": arguments, "result": None}
    call |= {"is_error": False, "outcome": "ok"}
    with sandbox_with_growth() as (http, growth):
        for number in range(60):
            content = json.dumps(call | {"id": str(number)}, ensure_ascii=False, separators=(",", ":"))
            assert http.post("/_sandbox/calls", content=content.encode()).status_code == 200
    assert growth["MiB"] < 150


def test_requests_are_bounded_by_their_memory() -> None:
    headers = {f"X{number}": "v" * 900 for number in range(20)}
    with sandbox_with_growth() as (http, growth):
        for _ in range(200):
            body = b'{"plan": "pro"}'.ljust(250_000)
            assert http.put("/api/v1/customers/1", content=body, headers=headers).status_code == 200
    assert growth["MiB"] < 120


def test_people_are_bounded_by_their_memory() -> None:
    attributes = {f"attribute{number}": "v" * 990 for number in range(300)}
    with sandbox_with_growth() as (http, growth):
        statuses = [http.put(f"/api/v1/customers/p{number}", json=attributes).status_code for number in range(320)]
        refused = http.put("/api/v1/customers/new", json={})
    assert (statuses[0], statuses[-1], refused.status_code) == (200, 400, 400)
    assert "the workspace is full" in refused.json()["meta"]["errors"][0]
    assert growth["MiB"] < 220


def test_incomplete_bodies_do_not_hold_their_size() -> None:
    head = b"PUT /api/v1/customers/1 HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n" + AUTHORIZATION + b"\r\n"
    with sandbox_with_growth() as (http, growth), ExitStack() as clients:
        for _ in range(200):
            client = clients.enter_context(socket.create_connection((http.base_url.host, http.base_url.port)))
            client.sendall(head % MAX_BODY_BYTES)
            client.settimeout(0.05)
            with suppress(TimeoutError):
                client.sendall(b"x" * (MAX_BODY_BYTES - 1))
        assert http.put("/api/v1/customers/1", json={}).status_code == 200
    assert growth["MiB"] < 250


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX limits")
async def test_more_idle_connections_than_descriptors_are_one_line_in_the_log() -> None:
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (128, hard))
    try:
        with running("sandbox", "--port", "0") as process:
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
            url = url_from_stderr(process, "sandbox Track API at")
            async with silent_clients(url, 150), httpx.AsyncClient(trust_env=False) as http:
                refused = await http.get(url)
                assert (refused.status_code, "maximum number of connections" in refused.text) == (503, True)
            lines = (await terminate(process)).splitlines()
            assert process.returncode == 0
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    assert lines == ["the sandbox has its maximum of 32 connections: further ones get 503"]
