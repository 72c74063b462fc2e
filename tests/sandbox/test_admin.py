"""The sandbox's own endpoints: identity, state and live changes."""

from __future__ import annotations

from importlib.metadata import version

import anyio
import httpx
import pytest

from customerio_track_mcp.sandbox import RunningSandbox
from customerio_track_mcp.sandbox.bounds import MAX_SNAPSHOTS, MAX_WATCHERS
from tests.support.raw_clients import received, silent_clients
from tests.support.sandbox_changes import next_message
from tests.support.sandbox_state import state_of
from tests.support.waiting import wait_until

CHANGES = b"GET /_sandbox/changes HTTP/1.1\r\nHost: localhost\r\n\r\n"
LARGE_EVENT = {"name": "bought", "data": {"padding": "x" * 99_000}}


async def test_stream_sends_the_state_and_then_each_change(http: httpx.AsyncClient) -> None:
    async with http.stream("GET", "/_sandbox/changes") as stream:
        assert stream.headers["content-type"] == "text/event-stream"
        assert "access-control-allow-origin" not in stream.headers
        lines = stream.aiter_lines()
        name, state = await next_message(lines)
        assert (name, state["people"], state["kept"], state["stored"]) == ("state", [], 10_000, False)
        await http.put("/api/v1/customers/1", json={"email": "ann@example.com"})
        person, request = [(await next_message(lines))[1] for _ in range(2)]
        assert [change["kind"] for change in (person, request)] == ["person", "request"]
        assert (request["key"], request["record"]["status"], request["oldest"]) == ("1", 200, 1)
        await http.post("/_sandbox/faults", json={"kind": "status", "status": 503})
        name, faults = await next_message(lines)
        assert (name, faults["faults_waiting"], faults["faults"][0]["status"]) == ("faults", 1, 503)
        await http.post("/_sandbox/reset")
        assert await next_message(lines) == ("faults", {"faults_waiting": 0, "faults": []})
        name, state = await next_message(lines)
        assert (name, state["people"], state["faults_waiting"], state["requests"]) == ("state", [], 0, 0)


async def test_identity_names_the_sandbox_and_its_version(http: httpx.AsyncClient) -> None:
    identity = (await http.get("/_sandbox")).json()
    assert identity == {"name": "customerio-track-mcp sandbox", "version": version("customerio-track-mcp")}
    assert (await state_of(http))["version"] == identity["version"]


async def test_pages_over_the_maximum_get_503_until_one_is_closed(
    http: httpx.AsyncClient, sandbox: RunningSandbox
) -> None:
    async with silent_clients(sandbox.url, MAX_WATCHERS, CHANGES) as pages:
        for page in pages:
            assert await received(page, 12) == b"HTTP/1.1 200"
        refused = await http.get("/_sandbox/changes")
        assert (refused.status_code, refused.headers["connection"]) == (503, "close")
        assert "64 pages are open" in refused.json()["meta"]["error"]
        pages[0].close()

        async def is_accepted() -> bool:
            async with http.stream("GET", "/_sandbox/changes") as stream:
                return stream.status_code == 200

        await wait_until(is_accepted)


async def test_page_that_does_not_read_is_disconnected_and_the_others_are_served(
    http: httpx.AsyncClient, sandbox: RunningSandbox
) -> None:
    async with silent_clients(sandbox.url, 1, CHANGES) as (page,):
        assert await received(page, 12) == b"HTTP/1.1 200"
        async with http.stream("GET", "/_sandbox/changes") as stream:
            lines = stream.aiter_lines()
            assert (await next_message(lines))[0] == "state"
            for _ in range(150):  # 15 MB: more than the queue and the buffers of the connection
                assert (await http.post("/api/v1/customers/1/events", json=LARGE_EVENT)).status_code == 200
                while (await next_message(lines))[1]["record"].get("status") != 200:
                    pass
        size = 0
        with anyio.fail_after(30):
            while part := await received(page, 2**20):
                size += len(part)
        assert size < 10 * 2**20


@pytest.mark.parametrize("path", [b"changes", b"state"])
async def test_clients_that_do_not_receive_the_state_do_not_delay_the_track_api(
    http: httpx.AsyncClient, sandbox: RunningSandbox, path: bytes
) -> None:
    for _ in range(100):
        await http.post("/api/v1/customers/1/events", json=LARGE_EVENT)
    request = CHANGES.replace(b"changes", path)
    async with silent_clients(sandbox.url, 4 * MAX_SNAPSHOTS, request) as clients:
        for client in clients[:MAX_SNAPSHOTS]:
            assert await received(client, 12) == b"HTTP/1.1 200"
        assert (await http.put("/api/v1/customers/2", json={})).status_code == 200
    assert len((await state_of(http))["events"]) == 100
