"""The log of requests: what is known of each one, from its receipt to its end."""

from __future__ import annotations

import asyncio
from functools import partial
from typing import Any

import httpx
import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from customerio_track_mcp.sandbox import RunningSandbox, run_sandbox, server
from customerio_track_mcp.sandbox.bodies import BodyReader
from customerio_track_mcp.sandbox.bounded_log import BoundedLog
from customerio_track_mcp.sandbox.bounds import (
    MAX_BODY_BYTES,
    MAX_LOGGED_BODY_CHARACTERS,
    MAX_LOGGED_HEADER_CHARACTERS,
    MAX_LOGGED_HEADERS,
)
from customerio_track_mcp.sandbox.records import Change, Effect
from customerio_track_mcp.sandbox.request_log import RequestLog, RequestTimer
from tests.support.raw_clients import AUTHORIZATION, send
from tests.support.sandbox_changes import next_message
from tests.support.sandbox_state import state_of
from tests.support.waiting import wait_until

PUT = b"PUT /api/v1/customers/1 HTTP/1.1\r\nHost: localhost\r\n" + AUTHORIZATION


async def log_of(http: httpx.AsyncClient) -> list[dict[str, Any]]:
    return list((await state_of(http))["request_log"])


async def test_request_is_logged_with_its_response(http: httpx.AsyncClient) -> None:
    event = {"name": "bought"}
    sent = await http.post("/api/v1/customers/a%2Fb/events", json=event, headers={"X-Sandbox-Call": "call 1"})
    (entry,) = await log_of(http)
    assert (entry["method"], entry["path"]) == ("POST", "/api/v1/customers/a%2Fb/events")
    assert (entry["body"], entry["response"], entry["status"]) == (sent.request.content.decode(), "{}", 200)
    assert (entry["operation"], entry["call"], entry["number"]) == ("track", "call 1", 1)
    assert ["Content-Type", "application/json; charset=utf-8"] in entry["response_headers"]
    assert 0 < entry["seconds"] < 60


async def test_headers_are_logged_without_credentials(http: httpx.AsyncClient) -> None:
    secret = {"Cookie": "secret", "PROXY-authorization": "Basic secret"}
    await http.put("/api/v1/customers/1", json={}, headers={"User-Agent": "shop/1.0", **secret})
    (entry,) = await log_of(http)
    headers = {name.lower(): value for name, value in entry["headers"]}
    assert (headers["user-agent"], headers["content-type"]) == ("shop/1.0", "application/json")
    assert headers.keys().isdisjoint({"authorization", "cookie", "proxy-authorization"})
    assert "secret" not in str(entry)


async def test_headers_are_logged_within_their_bounds(sandbox: RunningSandbox, http: httpx.AsyncClient) -> None:
    headers = b"".join(b"X%d: a\r\n" % number for number in range(80)) + b"Long: " + b"a" * 5000 + b"\r\n"
    head = PUT.replace(AUTHORIZATION, AUTHORIZATION + b"Not-UTF-8: \xff\r\nLong: " + b"b" * 5000 + b"\r\n")
    assert b" 200 " in await send(sandbox.url, head + headers + b"Content-Length: 2\r\nConnection: close\r\n\r\n{}")
    (entry,) = await log_of(http)
    logged = dict(entry["headers"])
    assert len(entry["headers"]) == MAX_LOGGED_HEADERS
    assert logged["Not-UTF-8"] == "\ufffd"
    assert logged["Long"] == "b" * MAX_LOGGED_HEADER_CHARACTERS


@pytest.mark.parametrize(
    ("header", "call"),
    [("a" * 100, "a" * 100), ("a" * 101, None), ("", None), ("\u00e9".encode(), None), (b"a\x01", None)],
)
async def test_call_header_is_ignored_unless_it_is_printable_and_short(
    sandbox: RunningSandbox, http: httpx.AsyncClient, header: str | bytes, call: str | None
) -> None:
    value = header if isinstance(header, bytes) else header.encode()
    content = PUT + b"X-Sandbox-Call: " + value + b"\r\nContent-Length: 2\r\nConnection: close\r\n\r\n{}"
    is_valid = b" 200 " in await send(sandbox.url, content)  # aiohttp rejects control characters
    assert [entry["call"] for entry in await log_of(http)] == ([call] if is_valid else [])


@pytest.mark.parametrize(
    ("request_line", "status", "operation"),
    [
        ("DELETE /api/v1/customers/1", 405, None),
        ("GET /api/v1/nothing", 404, None),
        ("POST /api/v1/segments/99/add_customers", 404, "add_to_segment"),
        ("POST /api/v1/customers/1/events", 400, "track"),
    ],
)
async def test_rejected_request_is_logged_with_the_reason(
    http: httpx.AsyncClient, request_line: str, status: int, operation: str | None
) -> None:
    response = await http.request(*request_line.split(), json={"ids": ["1"]})
    (entry,) = await log_of(http)
    assert (entry["status"], entry["operation"], entry["response"]) == (status, operation, response.text)


async def test_unauthorized_request_is_logged(http: httpx.AsyncClient) -> None:
    http.auth = None  # type: ignore[assignment]  # httpx's setter takes None for no authentication
    await http.put("/api/v1/customers/1", json={"plan": "pro"})
    (entry,) = await log_of(http)
    assert (entry["status"], entry["operation"], entry["body"]) == (401, "identify", '{"plan":"pro"}')


async def test_body_over_the_maximum_of_the_log_is_not_kept(http: httpx.AsyncClient) -> None:
    for size in (MAX_LOGGED_BODY_CHARACTERS, MAX_LOGGED_BODY_CHARACTERS + 1):
        await http.put("/api/v1/customers/1", content=b"{}".ljust(size))
    assert [len(entry["body"] or "") for entry in await log_of(http)] == [MAX_LOGGED_BODY_CHARACTERS, 0]


async def test_request_whose_body_is_too_large_is_logged(http: httpx.AsyncClient) -> None:
    response = await http.put("/api/v1/customers/1", content=b" " * (MAX_BODY_BYTES + 1))
    (entry,) = await log_of(http)
    assert (entry["status"], entry["body"], entry["operation"]) == (413, None, "identify")
    assert (entry["response"], "the body is too large" in response.text) == (response.text, True)


async def test_request_whose_body_is_invalid_is_logged(sandbox: RunningSandbox, http: httpx.AsyncClient) -> None:
    content = b"Content-Encoding: gzip\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello"
    async with asyncio.timeout(30):
        assert b" 400 " in await send(sandbox.url, PUT + content)
    (entry,) = await log_of(http)
    assert (entry["status"], entry["body"], entry["operation"]) == (400, None, "identify")
    assert "the body is not valid HTTP, or not encoded as its header says" in entry["response"]


async def test_request_whose_body_does_not_arrive_is_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "BodyReader", partial(BodyReader, seconds=0.1))
    async with run_sandbox() as sandbox, asyncio.timeout(30), httpx.AsyncClient(base_url=sandbox.url) as http:
        await send(sandbox.url, PUT + b"Content-Length: 10\r\n\r\n{")
        (entry,) = await log_of(http)
    assert (entry["status"], entry["body"]) == (408, None)
    assert entry["seconds"] >= 0.1


async def test_request_whose_client_leaves_in_the_body_is_logged_without_a_response(http: httpx.AsyncClient) -> None:
    _, writer = await asyncio.open_connection("127.0.0.1", http.base_url.port)
    writer.write(PUT + b"Content-Length: 10\r\n\r\n{")
    await writer.drain()
    writer.transport.abort()

    async def is_logged() -> bool:
        return len(await log_of(http)) == 1

    await wait_until(is_logged)
    (entry,) = await log_of(http)
    assert (entry["status"], entry["response"], entry["body"], entry["path"]) == (
        None,
        None,
        None,
        "/api/v1/customers/1",
    )
    assert entry["seconds"] is not None
    assert (await state_of(http))["people"] == []


async def test_failure_of_the_sandbox_is_logged_as_its_response(
    http: httpx.AsyncClient, sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise LookupError

    monkeypatch.setattr(sandbox.workspace, "identify", fail)
    response = await http.put("/api/v1/customers/1", json={})
    (entry,) = await log_of(http)
    assert (entry["status"], entry["response"]) == (500, response.text)


async def test_delayed_request_is_published_in_flight_and_then_replaced(
    http: httpx.AsyncClient,
) -> None:
    await http.post("/_sandbox/faults", json={"kind": "delay", "seconds": 0.01})
    async with http.stream("GET", "/_sandbox/changes") as stream:
        lines = stream.aiter_lines()
        await next_message(lines)
        assert (await http.post("/api/v1/customers/1/events", json={"name": "bought"})).status_code == 200
        changes = [message for name, message in [await next_message(lines) for _ in range(5)] if name == "change"]
    in_flight, ended = [change for change in changes if change["kind"] == "request"]
    assert in_flight["key"] == ended["key"] == "1"
    expected = in_flight["record"] | {"status": 200, "response": "{}"}
    assert ended["record"] == expected | {name: ended["record"][name] for name in ("seconds", "response_headers")}
    assert (in_flight["record"]["status"], in_flight["record"]["seconds"], in_flight["record"]["event"]) == (
        None,
        None,
        1,
    )


def test_request_that_outgrows_the_log_is_published_as_it_ends() -> None:
    log = RequestLog()
    log.log = BoundedLog(max_bytes=10_000)
    published: list[Change] = []
    log.on_change = published.append
    request = make_mocked_request("PUT", "/api/v1/customers/1")
    delayed, other = (log.start(request, RequestTimer(), b"x" * 3000, "identify", None) for _ in range(2))
    log.end(delayed, web.Response(text="x" * 5000), Effect())
    assert [number for number, _ in log.log.numbered()] == [other.number]
    assert [change.key for change in published] == [str(delayed.number)]  # so that its removal is known


async def test_request_in_flight_during_a_reset_does_not_replace_a_later_one(http: httpx.AsyncClient) -> None:
    await http.post("/_sandbox/faults", json={"kind": "delay", "seconds": 0.5})
    delayed = asyncio.create_task(http.put("/api/v1/customers/slow", json={}))

    async def is_in_flight() -> bool:
        return bool(await log_of(http))

    await wait_until(is_in_flight)
    await http.post("/_sandbox/reset")
    await http.put("/api/v1/customers/fast", json={})
    assert (await delayed).status_code == 200
    (entry,) = await log_of(http)
    assert (entry["number"], entry["path"], entry["status"]) == (1, "/api/v1/customers/fast", 200)
