"""The event stream that keeps the connection of a long call."""

from __future__ import annotations

import json

import anyio
import anyio.lowlevel
import pytest
from starlette.types import Message, Receive, Scope, Send

from customerio_track_mcp.http.middleware.event_stream import EventStreamMiddleware
from tests.support.http_service import (
    HEADERS,
    PING,
    connect,
    message_in,
    payload_in,
    read_until_closed,
    running_service,
)
from tests.support.raw_messages import LEGACY, MODERN, event, headers_of, raw_call
from tests.support.scripted_server import ScriptedServer, hang, respond, respond_when
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


@pytest.mark.parametrize("version", [LEGACY, MODERN])
async def test_call_again_after_a_lost_event_stream_is_the_same_event(
    scripted: ScriptedServer, version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(INTERVAL, 0.001)
    scripted.acts = [hang, respond(200, "{}")]
    async with running_service(scripted.url) as http:
        headers = headers_of(version)
        async with http.stream("POST", "/mcp", content=raw_call(version, event()), headers=headers) as response:
            assert (await anext(response.aiter_text())).startswith(": ping")
            await scripted.received.wait()
        with anyio.fail_after(20):
            await scripted.client_left.wait()
        again = await http.post("/mcp", content=raw_call(version, event()), headers=headers)
    lost, repeated = [request.json["id"] for request in scripted.requests]
    assert (message_in(again)["result"]["structuredContent"]["success"], repeated) == (True, lost)


@pytest.mark.parametrize("version", [LEGACY, MODERN])
async def test_http_1_0_gets_no_event_stream(
    scripted: ScriptedServer, version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(INTERVAL, 0)
    body = raw_call(version, event())
    headers = HEADERS | headers_of(version) | {"Host": "localhost", "Content-Length": str(len(body))}
    lines = ["POST /mcp HTTP/1.0", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    async with running_service(scripted.url) as http, await connect(http) as stream:
        await stream.send("\r\n".join(lines).encode() + body)
        head, _, content = (await read_until_closed(stream)).partition(b"\r\n\r\n")
    assert b"content-type: application/json" in head
    assert b"transfer-encoding" not in head
    assert json.loads(content)["result"]["structuredContent"]["success"]


@pytest.mark.parametrize("failed", [0, 3])
async def test_exception_during_an_event_stream_ends_it(failed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing follows, neither a ping nor the end that would make it complete."""
    monkeypatch.setattr(INTERVAL, 0)
    parts: list[Message] = []
    is_pinged = anyio.Event()

    async def fail(scope: Scope, receive: Receive, send: Send) -> None:
        del scope, receive, send
        await is_pinged.wait()
        raise RuntimeError

    async def send(message: Message) -> None:
        parts.append(message)
        if len(parts) > failed + 1:
            is_pinged.set()

    async def receive() -> Message:
        raise NotImplementedError

    scope = {"type": "http", "http_version": "1.1", "headers": [(b"accept", b"*/*")]}
    with pytest.raises(RuntimeError):
        await EventStreamMiddleware(fail)(scope, receive, send)
    number = len(parts)
    await anyio.lowlevel.checkpoint()
    assert len(parts) == number
    assert all(part["more_body"] for part in parts[1:])
