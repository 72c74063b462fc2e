"""Every call of a known tool is reported once, with what the host sent and what it received."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import anyio
import mcp_types as types
import pytest
from mcp import MCPError
from ulid import ULID

from customerio_track_mcp.call_reports.running_call import PROTOCOL_ERROR
from customerio_track_mcp.sandbox import RunningSandbox
from customerio_track_mcp.sandbox.records import ToolCall, instance_of
from customerio_track_mcp.track import TrackClient
from tests.support.confirmation import answered, round_of
from tests.support.http_service import TOKEN, bearer, message_in, running_service
from tests.support.raw_messages import LEGACY, MODERN, headers_of, raw_call
from tests.support.reporting import EVENT, Report, reporting
from tests.support.scripted_server import ScriptedServer, hang, respond, respond_when
from tests.support.waiting import wait_until

MODES: Final = ("legacy", "auto")
CUSTOMER: Final = {"customer_id": "1", "email": "ann@example.com"}


@pytest.fixture
def reports() -> list[Report]:
    return []


async def accept(context: object, params: object) -> types.ElicitResult:
    del context, params
    return types.ElicitResult(action="accept", content={"confirm": True})


async def decline(context: object, params: object) -> types.ElicitResult:
    del context, params
    return types.ElicitResult(action="decline")


@pytest.mark.parametrize("mode", MODES)
async def test_a_call_is_reported_with_its_arguments_and_its_result(
    sandbox: RunningSandbox, reports: list[Report], mode: str
) -> None:
    before = time.time()
    async with reporting(sandbox.url, reports.append, mode=mode) as client:
        result = await client.call_tool("create_or_update_customer", dict(CUSTOMER))
    (report,) = reports
    assert ULID.from_str(report["id"])
    assert before <= report["at"] <= time.time()
    assert 0 < report["seconds"] <= time.time() - before
    assert report["tool"] == "create_or_update_customer"
    assert report["arguments"] == CUSTOMER
    assert report["result"] == result.structured_content
    assert report["is_error"] is False
    assert report["outcome"] == "ok"
    assert report["meta"] == result.meta
    assert report["meta"]["customerio-track-mcp/attempts"] == 1
    assert report["client"] == "mcp 0.1.0"
    assert json.loads(json.dumps(report)) == report
    assert instance_of(ToolCall, report).id == report["id"]


REFUSALS: Final[Mapping[str, tuple[dict[str, Any], dict[str, Any]]]] = {
    "invalid_arguments": (EVENT | {"customer": "1"}, {}),
    "not_allowed": (EVENT, {"events": "refunded"}),
    "no_credentials": (EVENT, {"api_key": None}),
    "cannot_ask": (EVENT, {"confirm": "send_event"}),
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("outcome", REFUSALS)
async def test_a_call_that_is_refused_before_sending_is_reported(
    sandbox: RunningSandbox, reports: list[Report], outcome: str, mode: str
) -> None:
    arguments, settings = REFUSALS[outcome]
    async with reporting(sandbox.url, reports.append, mode=mode, **settings) as client:
        result = await client.call_tool("send_event", dict(arguments))
    (report,) = reports
    assert (report["outcome"], report["is_error"]) == (outcome, True)
    assert report["arguments"] == arguments
    assert report["result"] == result.structured_content
    assert "Nothing was sent. " in report["result"]["error"]
    assert not sandbox.workspace.events
    instance_of(ToolCall, report)


@pytest.mark.parametrize("mode", MODES)
async def test_calls_during_a_pause_and_beyond_a_maximum_are_reported(
    sandbox: RunningSandbox, reports: list[Report], mode: str, tmp_path: Path
) -> None:
    pause, segment = tmp_path / "pause", {"segment_id": "1", "customer_ids": ["1", "2"]}
    async with reporting(sandbox.url, reports.append, mode=mode, pause_file=pause, max_people_per_hour=1) as client:
        await client.call_tool("add_customers_to_segment", dict(segment))
        pause.touch()
        await client.call_tool("send_event", dict(EVENT))
    assert [report["outcome"] for report in reports] == ["quota_exceeded", "paused"]
    assert [report["arguments"] for report in reports] == [segment, EVENT]


async def test_a_call_of_a_tool_that_the_operator_does_not_allow_is_reported(
    sandbox: RunningSandbox, reports: list[Report]
) -> None:
    async with reporting(sandbox.url, reports.append, tools="send_event") as client:
        await client.call_tool("create_or_update_customer", dict(CUSTOMER))
    assert [report["outcome"] for report in reports] == ["not_allowed"]


@pytest.mark.parametrize(
    "arguments", ["null", "7", '"{"', '"[]"', "[1]", '"{\\"customer_id\\": \\"1\\"}"', "true", None]
)
@pytest.mark.parametrize("version", [LEGACY, MODERN])
async def test_arguments_that_are_not_an_object_are_reported_as_they_were_sent(
    sandbox: RunningSandbox, reports: list[Report], arguments: str | None, version: str
) -> None:
    async with running_service(sandbox.url, is_sandbox=True, record_call=reports.append) as http:
        response = await http.post("/mcp", content=raw_call(version, arguments), headers=headers_of(version))
    assert message_in(response)["result"]["isError"]
    (report,) = reports
    assert report["arguments"] == (None if arguments is None else json.loads(arguments))
    assert report["outcome"] == "invalid_arguments"
    instance_of(ToolCall, report)


@pytest.mark.parametrize("mode", MODES)
async def test_the_answers_of_a_person_are_reported(sandbox: RunningSandbox, reports: list[Report], mode: str) -> None:
    for person in (accept, decline):
        async with reporting(
            sandbox.url, reports.append, mode=mode, person=person, confirm="send_event", resend_window=0
        ) as client:
            await client.call_tool("send_event", dict(EVENT))
    asked = [] if mode == "legacy" else ["confirmation_required"]
    assert [report["outcome"] for report in reports] == [*asked, "ok", *asked, "declined"]
    assert len({report["id"] for report in reports}) == len(reports)
    if asked:
        question = reports[0]["result"]["inputRequests"]["confirmation"]["params"]["message"]
        assert question.startswith('Send the event "bought"')
        assert (reports[0]["is_error"], reports[0]["meta"].keys()) == (False, {"io.modelcontextprotocol/serverInfo"})
        assert "requestState" not in json.dumps(reports)


@pytest.mark.parametrize("confirm", ["send_event", ""])
async def test_a_call_that_gets_a_json_rpc_error_is_reported(
    sandbox: RunningSandbox, reports: list[Report], confirm: str
) -> None:
    settings = {"confirm": confirm} if confirm else {}
    async with running_service(sandbox.url, settings, is_sandbox=True, record_call=reports.append) as http:
        message = round_of(**answered("not a state"))
        response = await http.post("/mcp", json=message, headers=headers_of(MODERN))
    text = message_in(response)["error"]["message"]
    assert text.startswith("Invalid requestState")
    (report,) = reports
    assert (report["outcome"], report["is_error"]) == (PROTOCOL_ERROR, True)
    assert report["result"] == {"error": text}
    instance_of(ToolCall, report)


async def test_calls_without_the_scope_for_a_tool_are_reported(sandbox: RunningSandbox, reports: list[Report]) -> None:
    tokens = f"ann {TOKEN} customers:write"
    async with running_service(sandbox.url, is_sandbox=True, record_call=reports.append, tokens=tokens) as http:
        await http.post("/mcp", content=raw_call(LEGACY, json.dumps(EVENT)), headers=bearer(TOKEN))
    assert [report["outcome"] for report in reports] == ["forbidden"]


@pytest.mark.parametrize("mode", MODES)
async def test_a_dry_run_is_reported_in_process(sandbox: RunningSandbox, reports: list[Report], mode: str) -> None:
    async with reporting(sandbox.url, reports.append, mode=mode, dry_run=True) as client:
        await client.call_tool("send_event", dict(EVENT))
    (report,) = reports
    assert report["outcome"] == "dry_run"
    assert report["meta"]["customerio-track-mcp/dry-run"] is True


async def test_joined_calls_are_reported_one_by_one(scripted: ScriptedServer, reports: list[Report]) -> None:
    response = anyio.Event()
    scripted.acts = [respond_when(response)]
    async with reporting(scripted.url, reports.append) as client, anyio.create_task_group() as tasks:
        for _ in range(2):
            tasks.start_soon(client.call_tool, "send_event", dict(EVENT))
        await scripted.received.wait()
        await anyio.wait_all_tasks_blocked()
        response.set()
    assert sorted(report["outcome"] for report in reports) == ["joined", "ok"]
    assert len({report["id"] for report in reports}) == 2


@pytest.mark.parametrize("mode", MODES)
async def test_a_canceled_call_is_reported_without_a_result(
    scripted: ScriptedServer, reports: list[Report], mode: str
) -> None:
    scripted.acts = [hang]
    async with reporting(scripted.url, reports.append, mode=mode) as client:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(client.call_tool, "send_event", dict(EVENT))
            await scripted.received.wait()
            tasks.cancel_scope.cancel()
        await wait_until(lambda: bool(reports))
    (report,) = reports
    assert (report["outcome"], report["is_error"]) == ("cancelled", False)
    assert report["result"] is report["meta"] is None
    instance_of(ToolCall, report)


async def test_an_internal_error_is_reported(
    sandbox: RunningSandbox, reports: list[Report], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object) -> None:
        raise KeyError("ann@example.com")

    monkeypatch.setattr(TrackClient, "send", broken)
    async with reporting(sandbox.url, reports.append) as client:
        await client.call_tool("send_event", dict(EVENT))
    (report,) = reports
    assert (report["outcome"], report["is_error"]) == ("bug", True)
    assert "Internal error (KeyError)" in report["result"]["error"]


@pytest.mark.parametrize("mode", MODES)
async def test_a_failed_call_is_reported(scripted: ScriptedServer, reports: list[Report], mode: str) -> None:
    scripted.otherwise = respond(401, "{}")
    async with reporting(scripted.url, reports.append, mode=mode) as client:
        await client.call_tool("send_event", dict(EVENT))
    assert [(report["outcome"], report["is_error"]) for report in reports] == [("unauthorized", True)]


async def test_other_messages_and_unknown_tools_are_not_reported(
    sandbox: RunningSandbox, reports: list[Report]
) -> None:
    async with reporting(sandbox.url, reports.append) as client:
        await client.list_tools()
        await client.list_prompts()
        with pytest.raises(MCPError, match="Unknown tool"):
            await client.call_tool("delete_customer", {})
    assert reports == []


async def test_a_report_that_fails_does_not_fail_the_call(
    sandbox: RunningSandbox, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(report: Report) -> None:
        raise KeyError(report["arguments"]["email"])

    with caplog.at_level("DEBUG", logger="customerio_track_mcp"):
        async with reporting(sandbox.url, fail) as client:
            result = await client.call_tool("create_or_update_customer", dict(CUSTOMER))
    assert result.structured_content["success"]
    (record,) = [record for record in caplog.records if record.getMessage() == "call report failed"]
    assert (record.levelname, vars(record)["error"]) == ("DEBUG", "KeyError")
    assert "ann@example.com" not in str([vars(record) for record in caplog.records])


async def test_a_call_whose_arguments_the_sandbox_rejects_is_reported_without_them(
    sandbox: RunningSandbox, reports: list[Report]
) -> None:
    def accept_short(report: Report) -> None:
        if report["arguments"] == EVENT:
            raise ValueError("too long")
        reports.append(report)

    async with reporting(sandbox.url, accept_short) as client:
        await client.call_tool("send_event", dict(EVENT))
    (report,) = reports
    assert report["arguments"] == "(not reported: the sandbox does not accept them)"
    assert report["outcome"] == "ok"


async def test_reports_leave_no_trace_in_the_logs(
    sandbox: RunningSandbox, reports: list[Report], caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    write_log = tmp_path / "writes"
    with caplog.at_level("DEBUG", logger="customerio_track_mcp"):
        async with reporting(sandbox.url, reports.append, write_log=write_log) as client:
            await client.call_tool("create_or_update_customer", CUSTOMER | {"attributes": {"plan": "secret-plan"}})
    assert "secret-plan" in str(reports)
    logged = str([vars(record) for record in caplog.records]) + write_log.read_text()
    assert "secret-plan" not in logged
    assert reports[0]["id"] not in logged
