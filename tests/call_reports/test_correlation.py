"""Which tool call a request to the sandbox names."""

from __future__ import annotations

from typing import Any

import anyio
import pytest
from mcp import Client

from customerio_track_mcp.call_reports.correlation import CALL_HEADER
from tests.support.reporting import EVENT, Report, reporting
from tests.support.scripted_server import ScriptedServer, hang, respond, respond_when
from tests.support.waiting import wait_until

HEADER = CALL_HEADER.lower()


@pytest.fixture
def reports() -> list[Report]:
    return []


def named_calls(server: ScriptedServer) -> list[str | None]:
    return [request.headers.get(HEADER) for request in server.requests]


async def test_a_request_names_the_call_that_sent_it(scripted: ScriptedServer, reports: list[Report]) -> None:
    async with reporting(scripted.url, reports.append) as client:
        for number in range(2):
            await client.call_tool("send_event", EVENT | {"data": {"number": number}})
    assert named_calls(scripted) == [report["id"] for report in reports]
    assert len(set(named_calls(scripted))) == 2


async def test_retries_name_the_same_call(scripted: ScriptedServer, reports: list[Report]) -> None:
    scripted.acts = [respond(503, "{}"), respond(429, "{}", Retry_After="0")]
    async with reporting(scripted.url, reports.append) as client:
        await client.call_tool("send_event", dict(EVENT))
    (report,) = reports
    assert report["meta"]["customerio-track-mcp/attempts"] == 3
    assert named_calls(scripted) == [report["id"]] * 3


async def test_calls_in_flight_at_the_same_time_are_not_confused(
    scripted: ScriptedServer, reports: list[Report]
) -> None:
    response = anyio.Event()
    scripted.otherwise = respond_when(response)
    async with reporting(scripted.url, reports.append) as client, anyio.create_task_group() as tasks:
        for number in range(8):
            tasks.start_soon(client.call_tool, "send_event", EVENT | {"customer_id": f"person-{number}"})
        await wait_until(lambda: len(scripted.requests) == 8)
        response.set()
    by_person = {report["arguments"]["customer_id"]: report["id"] for report in reports}
    assert len(by_person) == 8
    for request in scripted.requests:
        assert request.headers[HEADER] == by_person[request.target.split("/")[4]]


async def test_the_request_of_joined_calls_names_the_one_that_sent_it(
    scripted: ScriptedServer, reports: list[Report]
) -> None:
    response = anyio.Event()
    scripted.acts = [respond_when(response)]
    async with reporting(scripted.url, reports.append) as client, anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(client.call_tool, "send_event", dict(EVENT))
        await scripted.received.wait()
        await anyio.wait_all_tasks_blocked()
        response.set()
    ids = {report["outcome"]: report["id"] for report in reports}
    assert named_calls(scripted) == [ids["ok"]]


async def test_a_call_that_takes_over_from_a_canceled_one_names_itself(
    scripted: ScriptedServer, reports: list[Report]
) -> None:
    scripted.acts = [hang]
    async with reporting(scripted.url, reports.append) as client, anyio.create_task_group() as tasks:
        first = await _start_call(tasks, client)
        await scripted.received.wait()
        await _start_call(tasks, client)
        await anyio.wait_all_tasks_blocked()
        first.cancel()
        await wait_until(lambda: len(reports) == 2)
    ids = {report["outcome"]: report["id"] for report in reports}
    assert named_calls(scripted) == [ids["cancelled"], ids["ok"]]
    assert len({request.json["id"] for request in scripted.requests}) == 1


async def _start_call(tasks: Any, client: Client) -> anyio.CancelScope:
    scope = anyio.CancelScope()

    async def call() -> None:
        with scope:
            await client.call_tool("send_event", dict(EVENT))

    tasks.start_soon(call)
    await anyio.wait_all_tasks_blocked()
    return scope
