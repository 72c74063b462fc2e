"""Forms of a value that are accepted, and what they are read as."""

from __future__ import annotations

import pytest

from customerio_track_mcp.tools.arguments import parse_arguments
from customerio_track_mcp.tools.schemas import (
    AddCustomersToSegmentInput,
    CreateOrUpdateCustomerInput,
    SendEventInput,
)
from customerio_track_mcp.track import IdType


@pytest.mark.parametrize(
    ("value", "parsed"),
    [
        (42, "42"),
        (" 42\n", "42"),
        (10**30, "1" + "0" * 30),
    ],
)
def test_id_is_parsed_as_text_without_surrounding_whitespace(value: object, parsed: str) -> None:
    event, problems = parse_arguments(SendEventInput, {"event_name": "x", "customer_id": value})
    assert (event.customer_id, problems) == (parsed, [])


@pytest.mark.parametrize("value", [True, 4.0, None, [], {}, 10**1000])
def test_invalid_id_is_reported(value: object) -> None:
    _, problems = parse_arguments(SendEventInput, {"customer_id": value, "event_name": "x"})
    assert [(problem.parameter, problem.text) for problem in problems] == [("customer_id", "must be a string")]


def test_null_counts_as_absent_for_optional_arguments() -> None:
    event, problems = parse_arguments(
        SendEventInput, {"customer_id": "1", "event_name": "x", "event_type": None, "data": None}
    )
    assert (event.event_type, event.data, problems) == (None, None, [])
    customer, problems = parse_arguments(
        CreateOrUpdateCustomerInput, {"customer_id": "1", "email": "a@b", "created_at": None, "attributes": None}
    )
    assert (customer.created_at, customer.attributes, problems) == (None, None, [])
    segment, problems = parse_arguments(
        AddCustomersToSegmentInput, {"segment_id": 7, "customer_ids": ["1"], "id_type": None}
    )
    assert (segment.segment_id, segment.id_type, problems) == ("7", IdType.ID, [])


def test_objects_and_arrays_may_be_json_strings() -> None:
    event, problems = parse_arguments(SendEventInput, {"customer_id": "1", "event_name": "x", "data": '{"a": [1]}'})
    assert (event.data, problems) == ({"a": [1]}, [])
    segment, problems = parse_arguments(AddCustomersToSegmentInput, {"segment_id": "7", "customer_ids": '["a", 2]'})
    assert (segment.customer_ids, problems) == (["a", "2"], [])


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("not json", "the string is not valid JSON"),
        ("[1]", "must be a JSON object"),
        ("1" * 5000, "the string is not valid JSON"),
        ("[" * 100_000, "the string is not valid JSON"),
        ([], "must be a JSON object"),
        (7, "must be a JSON object"),
    ],
)
def test_invalid_object_is_reported(value: object, text: str) -> None:
    _, problems = parse_arguments(SendEventInput, {"customer_id": "1", "event_name": "x", "data": value})
    (problem,) = problems
    assert problem.parameter == "data"
    assert text in problem.text


@pytest.mark.parametrize(("value", "parsed"), [(5, 5), (5.0, 5), ("1700000000", 1_700_000_000), (" 5 ", 5), (-1, -1)])
def test_seconds_may_be_digits_or_a_whole_float(value: object, parsed: int) -> None:
    customer, problems = parse_arguments(
        CreateOrUpdateCustomerInput, {"customer_id": "1", "email": "a@b", "created_at": value}
    )
    assert (customer.created_at, problems) == (parsed, [])


@pytest.mark.parametrize("value", [True, 1.5, "2026-01-01", float("nan"), float("inf"), [], "٣", "9" * 5000])
def test_invalid_seconds_are_reported(value: object) -> None:
    _, problems = parse_arguments(
        CreateOrUpdateCustomerInput, {"customer_id": "1", "email": "a@b", "created_at": value}
    )
    (problem,) = problems
    assert problem.parameter == "created_at"
    assert "whole number of UNIX seconds" in problem.text


@pytest.mark.parametrize("value", ["click", "PAGE", 1, ["page"], ""])
def test_invalid_event_type_is_reported_with_the_accepted_ones(value: object) -> None:
    _, problems = parse_arguments(SendEventInput, {"customer_id": "1", "event_name": "x", "event_type": value})
    assert [str(problem) for problem in problems] == ["event_type: must be one of page, screen, event"]
