"""Reports of the real command to a sandbox: over both transports and both protocol versions, and from workers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import anyio
import httpx
import pytest
from mcp import Client

from customerio_track_mcp.sandbox import RunningSandbox
from tests.support.process import environment, running, stdio_parameters, terminate, url_from_stderr
from tests.support.sandbox_state import state_of
from tests.support.waiting import wait_until

EVENT: Final[dict[str, Any]] = {"customer_id": "1", "event_name": "bought"}
MODES: Final = ("legacy", "auto")


@asynccontextmanager
async def stdio(sandbox_url: str, mode: str) -> AsyncIterator[Client]:
    parameters = stdio_parameters(track_url=sandbox_url, api_key="sandbox:sandbox")
    async with Client(parameters, mode=mode) as client:
        yield client


@asynccontextmanager
async def http(sandbox_url: str, mode: str, workers: int = 1) -> AsyncIterator[Client]:
    env = environment(track_url=sandbox_url, api_key="sandbox:sandbox")
    with running("http", "--port", "0", "--workers", str(workers), env=env) as process:
        url = await anyio.to_thread.run_sync(url_from_stderr, process, "listening on")
        async with Client(url, mode=mode) as client:
            yield client
        await terminate(process)


async def state_at(url: str) -> dict[str, Any]:
    async with httpx.AsyncClient(base_url=url, trust_env=False) as client:
        return await state_of(client)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("connect", [stdio, http])
async def test_calls_and_their_requests_appear_together(sandbox: RunningSandbox, connect: Any, mode: str) -> None:
    async with httpx.AsyncClient(base_url=sandbox.url, trust_env=False) as browser:
        fault = {"kind": "status", "status": 503}
        assert (await browser.post("/_sandbox/faults", json=fault)).is_success
    async with connect(sandbox.url, mode) as client:
        result = await client.call_tool("send_event", dict(EVENT))
        invalid = await client.call_tool("send_event", EVENT | {"customer": "2"})
    state = await state_at(sandbox.url)
    sent, rejected = state["calls"]
    assert (sent["tool"], sent["arguments"], sent["outcome"]) == ("send_event", EVENT, "ok")
    assert sent["result"] == result.structured_content
    assert (rejected["arguments"], rejected["outcome"]) == (EVENT | {"customer": "2"}, "invalid_arguments")
    assert rejected["result"] == invalid.structured_content
    assert [(request["status"], request["call"]) for request in state["request_log"]] == [
        (503, sent["id"]),
        (200, sent["id"]),
    ]


async def test_each_worker_reports_its_calls(sandbox: RunningSandbox) -> None:
    async with http(sandbox.url, "auto", workers=2) as client:
        for number in range(8):
            await client.call_tool("send_event", EVENT | {"data": {"number": number}})
    calls = (await state_at(sandbox.url))["calls"]
    assert sorted(call["arguments"]["data"]["number"] for call in calls) == list(range(8))


async def test_the_embedded_sandbox_shows_calls_and_their_requests() -> None:
    with running("http", "--port", "0", "--sandbox", env=environment(log_level="DEBUG")) as process:
        sandbox_url = await anyio.to_thread.run_sync(url_from_stderr, process, "sandbox Track API")
        url = await anyio.to_thread.run_sync(url_from_stderr, process, "listening on")
        async with Client(url) as client:
            await client.call_tool("send_event", dict(EVENT))
        state = await state_at(sandbox_url)
        log = await terminate(process)
    (call,) = state["calls"]
    assert call["arguments"] == EVENT
    assert [request["call"] for request in state["request_log"]] == [call["id"]]
    assert call["id"] not in log


async def test_workers_report_to_the_sandbox_of_their_supervisor() -> None:
    arguments = ("http", "--port", "0", "--workers", "2", "--sandbox")
    with running(*arguments, env=environment()) as process:
        sandbox_url = await anyio.to_thread.run_sync(url_from_stderr, process, "sandbox Track API")
        url = await anyio.to_thread.run_sync(url_from_stderr, process, "listening on")
        for number in range(8):
            async with Client(url) as client:  # a new connection, which any worker may accept
                await client.call_tool("send_event", EVENT | {"data": {"number": number}})

        async def all_are_reported() -> bool:
            return len((await state_at(sandbox_url))["calls"]) == 8

        await wait_until(all_are_reported)
        state = await state_at(sandbox_url)
    assert {request["call"] for request in state["request_log"]} == {call["id"] for call in state["calls"]}
