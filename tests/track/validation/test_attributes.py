"""Limits of attributes and event data, in the bytes that are sent."""

from __future__ import annotations

import json
from typing import Any

import pytest

from customerio_track_mcp.track.validation.attributes import attributes_problems, encode_event_data
from customerio_track_mcp.track.validation.sizes import encode


@pytest.mark.parametrize(
    ("attributes", "accepted"),
    [
        ({"n" * 150: "v"}, True),
        ({"n" * 151: "v"}, False),
        ({"é" * 75: "v"}, True),
        ({"é" * 76: "v"}, False),
        ({"plan": "v" * 1000}, True),
        ({"plan": "v" * 1001}, False),
        ({"plan": "é" * 500}, True),
        ({"plan": "é" * 501}, False),
        ({"list": ["v" * 996]}, True),
        ({"list": ["v" * 997]}, False),
        ({"digits": 10**999}, True),
        ({"digits": 10**1000}, False),
        ({"": "v"}, False),
        ({" ": "v"}, False),
        ({"cleared": None, "yes": True, "half": 0.5, "nested": {"a": [1, None]}}, True),
    ],
)
def test_attribute_names_and_values_are_limited_in_bytes(attributes: dict[str, Any], accepted: bool) -> None:
    assert (attributes_problems("attributes", attributes, others=0) == []) is accepted


@pytest.mark.parametrize(
    ("number", "others", "accepted"), [(300, 0, True), (301, 0, False), (298, 2, True), (299, 2, False)]
)
def test_call_is_limited_to_300_attributes_with_email_and_created_at(number: int, others: int, accepted: bool) -> None:
    problems = attributes_problems("attributes", {f"a{n}": n for n in range(number)}, others)
    assert (problems == []) is accepted


def test_every_invalid_attribute_is_reported_by_name() -> None:
    attributes = {"good": 1, "long": "v" * 1001, "n" * 151: 1, "score": float("nan")}
    problems = attributes_problems("attributes", attributes, others=0)
    assert [problem.parameter.split("n")[0] for problem in problems] == [
        "attributes.lo",
        "attributes ",
        "attributes.score",
    ]


@pytest.mark.parametrize(("filler", "accepted"), [(100_000 - 8, True), (100_000 - 7, False)])
def test_event_data_is_limited_to_100000_bytes_as_sent(filler: int, accepted: bool) -> None:
    data = {"k": "v" * filler}
    assert (len(encode(data)) <= 100_000) is accepted
    assert (encode_event_data("data", data)[1] == []) is accepted


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ({"a": [1, {"b": float("inf")}]}, "data.a[1].b"),
        ({"a": float("-inf")}, "data.a"),
        ({"a": "\ud800"}, "data.a"),
        ({"\ud800": 1}, "data"),
        ({"a": 10**5000}, "data.a"),
        ({"a": object()}, "data.a"),
    ],
)
def test_value_that_is_not_json_is_reported_with_its_path(value: dict[str, Any], path: str) -> None:
    (problem,) = encode_event_data("data", value)[1]
    assert problem.parameter == path


NO_NUMBER = "is not a number that can be sent; pass a finite number of up to 4300 digits, or null"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (float("nan"), NO_NUMBER),
        (float("inf"), NO_NUMBER),
        (float("-inf"), NO_NUMBER),
        pytest.param(10**5000, NO_NUMBER, id="5001 digits"),
        (object(), "is not a JSON value; pass text, a number, true, false, null, an array or an object"),
    ],
)
def test_value_that_is_not_json_is_reported_with_what_is_accepted(value: object, text: str) -> None:
    (problem,) = encode_event_data("data", {"a": value})[1]
    assert str(problem) == f"data.a: {text}"
    (problem,) = attributes_problems("attributes", {"a": [value]}, others=0)
    assert str(problem) == f"attributes.a[0]: {text}"


def test_name_with_surrounding_whitespace_is_reported_along_with_other_problems() -> None:
    expected = "data name ' total': has surrounding whitespace; remove it"
    assert [str(problem) for problem in encode_event_data("data", {" total": 1, "in the middle": 1})[1]] == [expected]
    name, size = encode_event_data("data", {" total": 1, "k": "v" * 100_000})[1]
    assert str(name) == expected
    assert "bytes of JSON" in size.text
    (problem,) = attributes_problems("attributes", {"plan\n": "pro"}, others=0)
    assert "surrounding whitespace" in problem.text


def test_deep_nesting_is_reported() -> None:
    deep: dict[str, Any] = {}
    for _ in range(200_000):
        deep = {"a": deep}
    (problem,) = encode_event_data("data", deep)[1]
    assert "nested too deeply" in problem.text
    (problem,) = attributes_problems("attributes", {"deep": deep}, others=0)
    assert "nested too deeply" in problem.text
    while deep:  # by hand: the interpreter frees nested objects recursively
        deep = deep["a"]


def test_encoding_is_compact_utf8() -> None:
    assert encode({"name": "Zoë", "n": 1}) == '{"name":"Zoë","n":1}'.encode()
    assert json.loads(encode({"a": [1, 2.5, None, True]})) == {"a": [1, 2.5, None, True]}
