"""The published contract, and what arguments are read as."""

import json
import os
from pathlib import Path
from typing import Any

import pytest
from mcp import Client

from customerio_track_mcp.mcp_server import build_server
from customerio_track_mcp.tools.handlers import Tools
from customerio_track_mcp.tools.schemas import (
    AddCustomersToSegmentInput,
    CreateOrUpdateCustomerInput,
    SendEventInput,
    read_arguments,
)
from customerio_track_mcp.track import EventType, IdType, TrackClient

DATA = Path(__file__).parent / "data"
TOOLS = ["create_or_update_customer", "send_event", "add_customers_to_segment"]


@pytest.fixture
async def published(client: TrackClient) -> dict[str, Any]:
    """What `tools/list` answers, by tool name."""
    async with Client(build_server(Tools(client))) as mcp_client:
        listed = (await mcp_client.list_tools()).tools
    assert [tool.name for tool in listed] == TOOLS
    return {tool.name: tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in listed}


@pytest.mark.parametrize("name", TOOLS)
async def test_output_schemas_are_the_documented_ones(published: dict[str, Any], name: str) -> None:
    documented = json.loads((DATA / "documented" / f"{name}.output.json").read_text())
    assert published[name]["outputSchema"] == documented


@pytest.mark.parametrize("name", TOOLS)
async def test_what_is_published_is_the_snapshot(published: dict[str, Any], name: str) -> None:
    """A change of contract shows in review. `UPDATE_SNAPSHOTS=1 make test` writes the new one."""
    snapshot = DATA / "published" / f"{name}.json"
    if os.environ.get("UPDATE_SNAPSHOTS"):
        snapshot.write_text(json.dumps(published[name], indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    assert published[name] == json.loads(snapshot.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("name", "parameters", "required"),
    [
        (
            "create_or_update_customer",
            {"customer_id": "string", "email": "string", "created_at": "integer", "attributes": "object"},
            ["customer_id", "email"],
        ),
        (
            "send_event",
            {"customer_id": "string", "event_name": "string", "event_type": "string", "data": "object"},
            ["customer_id", "event_name"],
        ),
        (
            "add_customers_to_segment",
            {"segment_id": "string", "customer_ids": "array", "id_type": "string"},
            ["segment_id", "customer_ids"],
        ),
    ],
)
async def test_input_schemas_hold_the_documented_parameters(
    published: dict[str, Any], name: str, parameters: dict[str, str], required: list[str]
) -> None:
    schema = published[name]["inputSchema"]
    assert {key: value["type"] for key, value in schema["properties"].items()} == parameters
    assert schema["required"] == required
    assert schema["additionalProperties"] is False
    assert all(value["description"] for value in schema["properties"].values())


async def test_what_the_document_says_in_words_is_in_the_schemas(published: dict[str, Any]) -> None:
    segment = published["add_customers_to_segment"]["inputSchema"]["properties"]
    ids = segment["customer_ids"]
    assert (ids["minItems"], ids["maxItems"], ids["items"]["type"]) == (1, 1000, "string")
    assert (segment["id_type"]["enum"], segment["id_type"]["default"]) == (["id", "email", "cio_id"], "id")
    event = published["send_event"]["inputSchema"]["properties"]
    assert event["event_type"]["enum"] == ["page", "screen", "event"]


async def test_hints_are_true_to_what_the_tools_do(published: dict[str, Any]) -> None:
    hints = {name: tool["annotations"] for name, tool in published.items()}
    assert not any(hint["readOnlyHint"] for hint in hints.values())
    assert all(hint["openWorldHint"] for hint in hints.values())
    assert [hints[name]["destructiveHint"] for name in TOOLS] == [True, False, False]
    assert [hints[name]["idempotentHint"] for name in TOOLS] == [True, False, True]


@pytest.mark.parametrize(
    ("given", "read"),
    [
        ({"customer_id": 42}, "42"),
        ({"customer_id": " 42\n"}, "42"),
        ({"customer_id": 10**30}, "1" + "0" * 30),
    ],
)
def test_an_id_is_read_as_text_without_the_space_around_it(given: dict[str, object], read: str) -> None:
    arguments, problems = read_arguments(SendEventInput, {"event_name": "x"} | given)
    assert (arguments.customer_id, problems) == (read, [])


@pytest.mark.parametrize("value", [True, 4.0, None, [], {}, 10**1000])
def test_what_is_no_id_is_told(value: object) -> None:
    _, problems = read_arguments(SendEventInput, {"customer_id": value, "event_name": "x"})
    assert [(problem.parameter, problem.text) for problem in problems] == [("customer_id", "has to be a string")]


def test_null_for_an_optional_argument_counts_as_absent() -> None:
    event, problems = read_arguments(
        SendEventInput, {"customer_id": "1", "event_name": "x", "event_type": None, "data": None}
    )
    assert (event.event_type, event.data, problems) == (None, None, [])
    customer, problems = read_arguments(
        CreateOrUpdateCustomerInput, {"customer_id": "1", "email": "a@b", "created_at": None, "attributes": None}
    )
    assert (customer.created_at, customer.attributes, problems) == (None, None, [])
    segment, problems = read_arguments(
        AddCustomersToSegmentInput, {"segment_id": 7, "customer_ids": ["1"], "id_type": None}
    )
    assert (segment.segment_id, segment.id_type, problems) == ("7", IdType.ID, [])


def test_objects_and_arrays_may_come_as_json_strings() -> None:
    event, problems = read_arguments(SendEventInput, {"customer_id": "1", "event_name": "x", "data": '{"a": [1]}'})
    assert (event.data, problems) == ({"a": [1]}, [])
    segment, problems = read_arguments(AddCustomersToSegmentInput, {"segment_id": "7", "customer_ids": '["a", 2]'})
    assert (segment.customer_ids, problems) == (["a", "2"], [])


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("not json", "is not JSON"),
        ("[1]", "has to be a JSON object"),
        ("1" * 5000, "is not JSON"),
        ("[" * 100_000, "is not JSON"),
        ([], "has to be a JSON object"),
        (7, "has to be a JSON object"),
    ],
)
def test_what_is_no_object_is_told(value: object, told: str) -> None:
    _, problems = read_arguments(SendEventInput, {"customer_id": "1", "event_name": "x", "data": value})
    (problem,) = problems
    assert problem.parameter == "data"
    assert told in problem.text


@pytest.mark.parametrize(("value", "read"), [(5, 5), (5.0, 5), ("1700000000", 1_700_000_000), (" 5 ", 5), (-1, -1)])
def test_seconds_may_come_as_digits_or_as_a_whole_float(value: object, read: int) -> None:
    customer, problems = read_arguments(
        CreateOrUpdateCustomerInput, {"customer_id": "1", "email": "a@b", "created_at": value}
    )
    assert (customer.created_at, problems) == (read, [])


@pytest.mark.parametrize("value", [True, 1.5, "2026-01-01", float("nan"), float("inf"), [], "٣", "9" * 5000])
def test_what_is_no_number_of_seconds_is_told(value: object) -> None:
    _, problems = read_arguments(CreateOrUpdateCustomerInput, {"customer_id": "1", "email": "a@b", "created_at": value})
    (problem,) = problems
    assert problem.parameter == "created_at"
    assert "whole number of UNIX seconds" in problem.text


@pytest.mark.parametrize("value", ["click", "PAGE", 1, ["page"], ""])
def test_another_event_type_is_told_with_the_allowed_ones(value: object) -> None:
    _, problems = read_arguments(SendEventInput, {"customer_id": "1", "event_name": "x", "event_type": value})
    assert [str(problem) for problem in problems] == ["event_type: has to be one of page, screen, event"]


def test_every_problem_is_told_at_once_and_what_is_right_is_kept() -> None:
    event, problems = read_arguments(
        SendEventInput, {"customer_id": [], "event_type": "page", "data": "{", "customerId": "1", "x" * 200: 1}
    )
    assert [problem.parameter for problem in problems][:3] == ["customer_id", "event_name", "data"]
    assert "did you mean customer_id? allowed are customer_id, event_name, event_type, data" in problems[3].text
    assert len(problems[4].parameter) == 80
    assert event.event_type is EventType.PAGE
    assert event.data is None


def test_a_bad_member_of_the_list_is_told_by_its_place() -> None:
    _, problems = read_arguments(AddCustomersToSegmentInput, {"segment_id": "1", "customer_ids": ["a", None, {}]})
    assert [problem.parameter for problem in problems] == ["customer_ids[1]", "customer_ids[2]"]
