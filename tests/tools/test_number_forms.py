"""Numbers for texts: whole ones are read, whichever way a host writes them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from mcp import Client

from customerio_track_mcp.mcp_server import create_mcp_server
from customerio_track_mcp.sandbox import RunningSandbox
from customerio_track_mcp.tools.arguments import parse_arguments
from customerio_track_mcp.tools.handlers import ToolHandlers
from customerio_track_mcp.tools.schemas import AddCustomersToSegmentInput, CreateOrUpdateCustomerInput, SendEventInput
from customerio_track_mcp.track import TrackClient

WHOLE = [
    ("1042.0", "1042"),
    ("1042", "1042"),
    ("-1.0", "-1"),
    ("-0.0", "0"),
    ("1e3", "1000"),
    ("9007199254740991.0", "9007199254740991"),
    ("9007199254740991", "9007199254740991"),
]
INEXACT = [
    "1042.5",
    "9007199254740992.0",
    "9007199254740992",
    "9007199254740993",
    "-9007199254740993",
    "1e300",
    "-9007199254740992.0",
    "0.1",
]
NO_NUMBER = ["true", "false", "[]", "{}", "NaN", "Infinity", "-Infinity"]


@pytest.mark.parametrize(("number", "read"), WHOLE)
def test_whole_number_is_read_as_an_id_or_an_event_name(number: str, read: str) -> None:
    value = json.loads(number)
    event, problems = parse_arguments(SendEventInput, {"customer_id": value, "event_name": value})
    assert (event.customer_id, event.event_name, problems) == (read, read, [])
    customer, problems = parse_arguments(CreateOrUpdateCustomerInput, {"customer_id": value, "email": "a@b"})
    assert (customer.customer_id, problems) == (read, [])
    for members in ([value], f"[{number}]"):
        segment, problems = parse_arguments(AddCustomersToSegmentInput, {"segment_id": value, "customer_ids": members})
        assert (segment.segment_id, segment.customer_ids, problems) == (read, [read], [])


@pytest.mark.parametrize("number", [*INEXACT, *NO_NUMBER])
def test_any_other_number_is_reported(number: str) -> None:
    value = json.loads(number)
    _, problems = parse_arguments(SendEventInput, {"customer_id": value, "event_name": value})
    _, more = parse_arguments(AddCustomersToSegmentInput, {"segment_id": value, "customer_ids": ["1", value]})
    reported = [*problems, *more]
    assert [problem.parameter for problem in reported] == [
        "customer_id", "event_name", "segment_id", "customer_ids[1]",
    ]  # fmt: skip
    assert all(problem.text.startswith("must be a string") for problem in reported)
    assert all(("below 2^53" in problem.text) is (type(value) in (int, float)) for problem in reported)


def test_number_is_not_an_email_address() -> None:
    _, (problem,) = parse_arguments(CreateOrUpdateCustomerInput, {"customer_id": "1", "email": 5})
    assert str(problem) == "email: must be a string"


@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_floats_arrive_as_whole_numbers(client: TrackClient, sandbox: RunningSandbox, mode: Any) -> None:
    async with Client(create_mcp_server(ToolHandlers(client)), mode=mode) as mcp_client:
        await mcp_client.call_tool("create_or_update_customer", {"customer_id": 1042.0, "email": "ann@example.com"})
        await mcp_client.call_tool("send_event", {"customer_id": 1042.0, "event_name": 404.0})
        result = await mcp_client.call_tool(
            "add_customers_to_segment", {"segment_id": 2.0, "customer_ids": [1042.0, "1042"]}
        )
    assert result.structured_content["customer_count"] == 1
    assert [person.id for person in sandbox.workspace.people] == ["1042"]
    assert [event.name for event in sandbox.workspace.events] == ["404"]
    assert len(sandbox.workspace.segments[2].members) == 1
