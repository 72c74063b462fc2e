"""JSON values: what is accepted, what they take in memory, how they are written."""

from __future__ import annotations

import json
import tracemalloc
from contextlib import suppress
from typing import Any

import pytest

from customerio_track_mcp.sandbox.bounds import MAX_LEVELS
from customerio_track_mcp.sandbox.json_values import copy_of, memory_of, parse, parse_object, pieces_of


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


def test_levels_are_bounded_by_the_same_number_in_each_version_of_python() -> None:
    texts = {levels: '{"a":' * levels + "1" + "}" * levels for levels in (1, MAX_LEVELS, MAX_LEVELS + 1, 9000, 300_000)}
    accepted = []
    for levels, text in texts.items():
        with suppress(ValueError):
            parse_object(text)
            accepted.append(levels)
    assert accepted == [1, MAX_LEVELS]


@pytest.mark.parametrize(("opening", "closing"), [("[[", "]]"), ('{"a":[', "]}"), ('[1,[],{"a":', "}]")])
def test_accepted_value_can_be_wrapped_and_written_again(opening: str, closing: str) -> None:
    value = parse(deepest := opening * (MAX_LEVELS // 2) + "1" + closing * (MAX_LEVELS // 2))
    for _ in range(100):
        value = [value]
    assert json.loads(json.dumps(value)) == value
    with pytest.raises(ValueError, match=r"^not valid JSON$"):
        parse(f"[{deepest}]")


@pytest.mark.parametrize("value", [None, 1, "[", [], {}])
def test_a_value_without_levels_is_accepted(value: object) -> None:
    assert parse(json.dumps(value)) == value


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
