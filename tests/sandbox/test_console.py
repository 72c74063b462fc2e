"""The sandbox's own endpoints: changes as they come, reset, and who may not ask."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import anyio
import anyio.lowlevel
import httpx
import pytest

from customerio_track_mcp.sandbox import RunningSandbox
from customerio_track_mcp.sandbox.broadcast import Feed


@pytest.fixture
async def http(sandbox: RunningSandbox) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=sandbox.url, auth=("sandbox", "sandbox"), trust_env=False) as client:
        yield client


async def next_message(lines: AsyncIterator[str]) -> tuple[str, dict[str, object]]:
    name = ""
    async for line in lines:
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        if line.startswith("data: "):
            return name, json.loads(line.removeprefix("data: "))
    raise AssertionError("the stream ended")


async def test_a_watcher_is_told_the_state_and_then_each_change(http: httpx.AsyncClient) -> None:
    async with http.stream("GET", "/_sandbox/changes") as stream:
        assert stream.headers["content-type"] == "text/event-stream"
        assert "access-control-allow-origin" not in stream.headers
        lines = stream.aiter_lines()
        name, state = await next_message(lines)
        assert (name, state["people"], state["kept"], state["stored"]) == ("state", [], 10_000, False)
        await http.put("/api/v1/customers/1", json={"email": "ann@example.com"})
        kinds = [(await next_message(lines))[1]["kind"] for _ in range(2)]
        assert kinds == ["person", "request"]
        await http.post("/_sandbox/faults", json={"kind": "status", "status": 503})
        assert await next_message(lines) == ("faults", {"faults_waiting": 1})
        await http.post("/_sandbox/reset")
        assert await next_message(lines) == ("faults", {"faults_waiting": 0})
        name, state = await next_message(lines)
        assert (name, state["people"], state["faults_waiting"], state["requests"]) == ("state", [], 0, 0)


async def test_a_watcher_who_does_not_keep_up_is_let_go() -> None:
    feed = Feed()
    with feed.watch() as slow, feed.watch() as quick:
        read = aiter(quick)
        for _ in range(20):
            feed.tell("change", {"much": "x" * 2**20})
            assert (await anext(read))[0] == "change"
        waiting = [name async for name, _ in slow]
    assert 8 <= len(waiting) < 12


async def test_an_open_page_does_not_hold_up_the_end() -> None:
    from customerio_track_mcp.sandbox import run_sandbox

    async with httpx.AsyncClient(trust_env=False) as client:
        async with run_sandbox() as sandbox:
            stream = await client.send(client.build_request("GET", f"{sandbox.url}/_sandbox/changes"), stream=True)
        with anyio.fail_after(5):
            assert "event: state" in (await stream.aread()).decode()


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Host": "localhost:1"}, 200),
        ({"Host": "127.0.0.1"}, 200),
        ({"Host": "[::1]:8765"}, 200),
        ({"Host": "evil.example"}, 403),
        ({"Host": "evil.example:8765"}, 403),
        ({"Host": "127.0.0.1.evil.example"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
    ],
)
@pytest.mark.parametrize(("method", "path"), [("GET", "/_sandbox/state"), ("GET", "/"), ("PUT", "/api/v1/customers/1")])
async def test_web_pages_elsewhere_cannot_drive_it(
    http: httpx.AsyncClient, headers: dict[str, str], status: int, method: str, path: str
) -> None:
    reply = await http.request(method, path, headers=headers, json={} if method == "PUT" else None)
    assert reply.status_code == status
    assert "access-control-allow-origin" not in reply.headers


async def test_a_link_elsewhere_may_lead_to_the_page_and_to_nothing_else(http: httpx.AsyncClient) -> None:
    followed = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert (await http.get("/", headers=followed)).status_code == 200
    assert (await http.get("/_sandbox/state", headers=followed)).status_code == 403
    assert (await http.post("/", headers=followed)).status_code == 403


async def test_a_fault_does_not_befall_who_may_not_ask(sandbox: RunningSandbox) -> None:
    async with httpx.AsyncClient(base_url=sandbox.url, trust_env=False) as http:
        await http.post("/_sandbox/faults", json={"kind": "status", "status": 503})
        for given in (b"", b"Basic \xff"):
            reply = await http.get("/api/v1/accounts/region", headers={b"Authorization": given})
            assert reply.status_code == 401
        assert (await http.get("/_sandbox/state")).json()["faults_waiting"] == 1


async def test_a_body_that_is_too_large_is_not_read_in_part(http: httpx.AsyncClient) -> None:
    reply = await http.put("/api/v1/customers/1", content=b" " * (5 * 2**20) + b'{"a": 1}')
    assert reply.status_code == 413
    assert (await http.get("/_sandbox/state")).json()["people"] == []


async def test_a_request_held_up_is_logged_as_unanswered_and_the_retry_as_the_second_attempt(
    http: httpx.AsyncClient,
) -> None:
    await http.post("/_sandbox/faults", json={"kind": "delay", "seconds": 0.5})
    event = {"name": "bought", "id": "01ARZ3NDEKTSV4RRFFQ69G5FAV"}
    with pytest.raises(httpx.ReadTimeout):
        await http.post("/api/v1/customers/1/events", json=event, timeout=0.1)
    await http.post("/api/v1/customers/1/events", json=event)
    with anyio.fail_after(10):
        while len(log := (await http.get("/_sandbox/state")).json()["request_log"]) < 2:
            await anyio.lowlevel.checkpoint()
    assert [(entry["attempt"], entry["status"]) for entry in log] == [(2, 200), (1, None)]


async def test_its_own_origin_may_ask(http: httpx.AsyncClient, sandbox: RunningSandbox) -> None:
    assert (await http.post("/_sandbox/reset", headers={"Origin": sandbox.url})).status_code == 200


@pytest.mark.parametrize("path", ["/", "/page.css", "/page.js"])
async def test_the_page_needs_nothing_from_elsewhere(http: httpx.AsyncClient, path: str) -> None:
    reply = await http.get(path)
    assert reply.status_code == 200
    assert "default-src 'none'" in reply.headers["content-security-policy"]
    assert "http://" not in reply.text
    assert "https://" not in reply.text


@pytest.mark.parametrize(
    ("failures", "attempts"), [([], [1]), ([503], [1, 2]), ([503, 429], [1, 2, 3]), ([400], [1, 1])]
)
async def test_the_same_request_after_a_passing_failure_is_its_next_attempt(
    http: httpx.AsyncClient, failures: list[int], attempts: list[int]
) -> None:
    for status in failures:
        await http.post("/_sandbox/faults", json={"kind": "status", "status": status})
    for _ in attempts:
        await http.post("/api/v1/customers/1/events", json={"name": "bought"})
    await http.post("/api/v1/customers/1/events", json={"name": "another"})
    log = (await http.get("/_sandbox/state")).json()["request_log"]
    assert [entry["attempt"] for entry in log] == [*attempts, 1]
