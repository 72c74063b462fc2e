"""The event stream that keeps the connection of a long call."""

from __future__ import annotations

import json

import anyio
import pytest

from tests.support.http_service import PING, payload_in, running_service
from tests.support.raw_messages import LEGACY, MODERN, event, headers_of, raw_call
from tests.support.scripted_server import ScriptedServer, hang, respond_when
from tests.support.waiting import wait_until

STREAM = "text/event-stream"


INTERVAL = "customerio_track_mcp.http.middleware.event_stream.PING_SECONDS"


@pytest.mark.parametrize("accept", ["application/json, text/event-stream", "*/*"])
@pytest.mark.parametrize("version", [LEGACY, MODERN])
async def test_long_call_gets_pings_and_then_its_result_as_an_event(
    scripted: ScriptedServer, version: str, accept: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(INTERVAL, 0.001)
    go = anyio.Event()
    scripted.acts = [respond_when(go)]
    headers = headers_of(version) | {"X-Request-Id": "request-7", "Accept": accept}
    async with (
        running_service(scripted.url) as http,
        http.stream("POST", "/mcp", content=raw_call(version, event()), headers=headers) as response,
    ):
        assert (response.status_code, response.headers["content-type"]) == (200, STREAM)
        assert response.headers["cache-control"] == "no-cache, no-transform"
        assert response.headers["x-accel-buffering"] == "no"
        assert response.headers["x-request-id"] == "request-7"
        received = ""
        async for text in response.aiter_text():
            received += text
            if received.count(": ping\r\n\r\n") >= 3:
                go.set()
    *pings, last, end = received.split("\r\n\r\n")
    assert (set(pings), end) == ({": ping"}, "")
    kind, data = last.split("\r\n")
    assert kind == "event: message"
    assert json.loads(data.removeprefix("data: "))["result"]["structuredContent"]["success"]


@pytest.mark.parametrize("version", [LEGACY, MODERN])
async def test_long_call_of_a_client_that_accepts_only_json_gets_json(
    scripted: ScriptedServer, version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(INTERVAL, 0)  # over before the Track API is called
    headers = headers_of(version) | {"Accept": "application/json"}
    async with running_service(scripted.url) as http:
        response = await http.post("/mcp", content=raw_call(version, event()), headers=headers)
    assert response.headers["content-type"] == "application/json"
    assert payload_in(response)["success"]


@pytest.mark.parametrize("version", [LEGACY, MODERN])
async def test_client_that_leaves_an_event_stream_cancels_its_call(
    scripted: ScriptedServer, version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(INTERVAL, 0.001)
    scripted.acts = [hang]
    async with running_service(scripted.url, max_in_flight=1) as http:
        headers = headers_of(version)
        async with http.stream("POST", "/mcp", content=raw_call(version, event()), headers=headers) as response:
            assert (await anext(response.aiter_text())).startswith(": ping")
        with anyio.fail_after(20):
            await scripted.client_left.wait()

        async def is_idle() -> bool:
            return (await http.post("/mcp", json=PING)).status_code == 200

        await wait_until(is_idle)
