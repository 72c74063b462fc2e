"""JSON values: what is accepted, what they take in memory, how they are written."""

from __future__ import annotations

import json
import tracemalloc
from typing import Any

import pytest

from customerio_track_mcp.sandbox.json_values import copy_of, memory_of, parse_object, pieces_of


@pytest.mark.parametrize(
    "text",
    [
        '{"text": "' + "a" * 50_000 + '"}',
        '{"many": [' + ",".join(['"ab"'] * 10_000) + "]}",
        '{"numbers": [' + ",".join(str(10**9 + number) for number in range(10_000)) + "]}",
        '{"arrays": [' + ",".join(["[]"] * 20_000) + "]}",
        '{"objects": [' + ",".join(['{"a":{}}'] * 10_000) + "]}",
        "{" + ",".join(f'"name{number}":{number}' for number in range(10_000)) + "}",
    ],
)
def test_memory_is_estimated_within_a_factor(text: str) -> None:
    tracemalloc.start()
    try:
        value = parse_object(text)
        actual, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert 0.3 < memory_of(value) / actual < 3


@pytest.mark.parametrize(
    "text",
    ["", "[]", "{", '{"a": NaN}', '{"a": 1e999}', '{"a": "\\ud800"}', '{"a": ' + "9" * 5000 + "}", b"\xff", "null"],
)
def test_invalid_object_is_rejected_without_quoting_it(text: str | bytes) -> None:
    with pytest.raises(ValueError, match=r"^not (valid JSON|a JSON object)$"):
        parse_object(text)


def test_accepted_object_can_be_wrapped_and_written_again() -> None:
    deepest = 0
    for levels in range(10, 3000, 7):
        try:
            value = parse_object('{"a":' * levels + "1" + "}" * levels)
        except ValueError:
            break
        json.dumps([[[[[[[[[[value]]]]]]]]]])
        deepest = levels
    assert deepest > 700


def test_object_with_iterators_is_written_in_pieces() -> None:
    value = {"n": 1, "list": iter([{"a": "é"}, 2]), "empty": iter(()), "nested": {"x": [1, 2]}}
    assert json.loads("".join(pieces_of(value))) == {
        "n": 1,
        "list": [{"a": "é"}, 2],
        "empty": [],
        "nested": {"x": [1, 2]},
    }
    assert "".join(pieces_of({})) == "{}"


def test_copy_shares_nothing_that_can_change() -> None:
    value: dict[str, Any] = {"a": [1, {"b": [2.5, None, "x", True]}], "empty": {}, "list": []}
    copy = copy_of(value)
    assert copy == value
    value["a"][1]["b"].append(3)
    value["empty"]["new"] = 1
    value["list"].append(1)
    assert copy == {"a": [1, {"b": [2.5, None, "x", True]}], "empty": {}, "list": []}
    assert [copy_of(scalar) for scalar in (1, "x", None)] == [1, "x", None]


def test_copy_is_made_of_any_depth() -> None:
    value: Any = 1
    for _ in range(100_000):
        value = [value]
    copy = copy_of(value)
    assert copy is not value
    levels = 0
    while isinstance(copy, list):
        (copy,) = copy
        (value,) = value  # also keeps the deallocation shallow
        levels += 1
    assert (levels, copy) == (100_000, 1)
