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
        ("1" + "0" * 30, "1" + "0" * 30),
        (2**53 - 1, "9007199254740991"),
        (1 - 2**53, "-9007199254740991"),
    ],
)
def test_id_is_parsed_as_text_without_surrounding_whitespace(value: object, parsed: str) -> None:
    event, problems = parse_arguments(SendEventInput, {"event_name": "x", "customer_id": value})
    assert (event.customer_id, problems) == (parsed, [])


@pytest.mark.parametrize("value", [True, None, [], {}])
def test_invalid_id_is_reported(value: object) -> None:
    _, problems = parse_arguments(SendEventInput, {"customer_id": value, "event_name": "x"})
    assert [str(problem) for problem in problems] == ["customer_id: must be a string, for example 1042"]


@pytest.mark.parametrize("value", [2**53, -(2**53), 2**53 + 1, 10**30, 10**1000])
def test_number_that_may_have_been_rounded_is_not_an_identifier(value: int) -> None:
    _, (customer,) = parse_arguments(SendEventInput, {"customer_id": value, "event_name": "x"})
    _, (segment,) = parse_arguments(AddCustomersToSegmentInput, {"segment_id": value, "customer_ids": ["1"]})
    _, (member,) = parse_arguments(AddCustomersToSegmentInput, {"segment_id": 1, "customer_ids": ["1", value]})
    _, (name,) = parse_arguments(SendEventInput, {"customer_id": 1, "event_name": value})
    text = "a number must be whole and below 2^53, or it is not exact; pass it as a string"
    assert str(customer) == f"customer_id: must be a string, for example 1042; {text}"
    assert str(segment) == f"segment_id: must be a string, for example 1042; {text}"
    assert str(member) == f"customer_ids[1]: must be a string, for example 1042; {text}"
    assert str(name) == f"event_name: must be a string, for example purchase; {text}"


@pytest.mark.parametrize("value", ['""', '" "', '"null"', "\ufeffnull", '\ufeff""', "null", '"\\"\\""', '"\\"null\\""'])
def test_absent_object_may_be_encoded_more_than_once(value: str) -> None:
    event, problems = parse_arguments(SendEventInput, {"customer_id": "1", "event_name": "x", "data": value})
    assert (event.data, problems) == (None, [])
    customer, problems = parse_arguments(
        CreateOrUpdateCustomerInput, {"customer_id": "1", "email": "a@b", "attributes": value}
    )
    assert (customer.attributes, problems) == (None, [])


@pytest.mark.parametrize(
    "value", ['\ufeff{"a": 1}', '\ufeff\n {"a": 1}', '"\ufeff{\\"a\\": 1}"', '\ufeff"{\\"a\\": 1}"']
)
def test_byte_order_mark_in_a_json_string_is_skipped(value: str) -> None:
    event, problems = parse_arguments(SendEventInput, {"customer_id": "1", "event_name": "x", "data": value})
    assert (event.data, problems) == ({"a": 1}, [])
    segment, problems = parse_arguments(AddCustomersToSegmentInput, {"segment_id": "1", "customer_ids": '\ufeff["1"]'})
    assert (segment.customer_ids, problems) == (["1"], [])


@pytest.mark.parametrize("value", ["", "null", '""', "7", 7, None, {}, {"a": 1}])
def test_invalid_array_is_reported_with_an_example(value: object) -> None:
    _, (problem,) = parse_arguments(AddCustomersToSegmentInput, {"segment_id": "1", "customer_ids": value})
    assert str(problem) == 'customer_ids: must be an array of strings, for example ["1042"]'


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
        ("1" * 5000, "must be a JSON object"),
        ("[" * 100_000, "is nested too deeply; the maximum is 500 levels"),
        ([1], "must be a JSON object"),
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


@pytest.mark.parametrize("value", ["click", "PAGE", 1, ["page"]])
def test_invalid_event_type_is_reported_with_the_accepted_ones(value: object) -> None:
    _, problems = parse_arguments(SendEventInput, {"customer_id": "1", "event_name": "x", "event_type": value})
    assert [str(problem) for problem in problems] == ["event_type: must be one of page, screen, event"]
