"""JSON that pydantic's parser rejects, and the limits on nesting and elements."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customerio_track_mcp.lenient_json import (
    MAX_DEPTH,
    MAX_ELEMENTS,
    NestedTooDeeplyError,
    TooManyElementsError,
    empty_below,
    has_too_many_elements,
    parse_json,
)
from tests.support.raw_messages import nested

# Names and strings with everything that could be taken for structure.
TEXT = st.text(st.characters(codec="utf-8") | st.sampled_from('[]{}"\\,:'))
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner),
    max_leaves=30,
)


def emptied(value: object, depth: int) -> object:
    """Return what `empty_below` is expected to leave of `value`."""
    if isinstance(value, dict):
        return {name: emptied(member, depth - 1) for name, member in value.items()} if depth >= 1 else {}
    if isinstance(value, list):
        return [emptied(member, depth - 1) for member in value] if depth >= 1 else []
    return value


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('"\\ud83d"', "\ud83d"),
        ('{"\\udc00": 1}', {"\udc00": 1}),
        ("9" * 4300, 10**4300 - 1),
        ("-" + "9" * 4300, 1 - 10**4300),
        ("9" * 4301, math.inf),
        ("-" + "9" * 4301, -math.inf),
        ("1e999", math.inf),
        (' {"a": 1.0, "a": 2}\r\n', {"a": 2}),
        ('\ufeff{"a": 1}', {"a": 1}),
        (' \ufeff\ufeff\n"\ufeff"', "\ufeff"),
    ],
)
def test_json_that_pydantic_rejects_is_parsed(text: str, value: object) -> None:
    assert parse_json(text) == value


@pytest.mark.parametrize(
    "text", ["", "{", "[1,]", "{'a': 1}", "{\ufeff}", '"\x00"', "[" * 100_000, '{"a":' * 100_000, "]" * 1000]
)
def test_anything_else_is_an_error(text: str) -> None:
    with pytest.raises((json.JSONDecodeError, NestedTooDeeplyError)):
        parse_json(text)


def test_nesting_is_limited_whatever_the_depth_of_the_stack() -> None:
    def parse_below(frames: int, text: str) -> object:
        return parse_below(frames - 1, text) if frames else parse_json(text)

    for frames in (0, 200):
        assert json.dumps(parse_below(frames, nested(MAX_DEPTH))) == nested(MAX_DEPTH)
        with pytest.raises(NestedTooDeeplyError):
            parse_below(frames, nested(MAX_DEPTH + 1))


def test_brackets_in_strings_and_beside_each_other_are_not_nesting() -> None:
    for text in (json.dumps("[" * 5000), json.dumps(["\\", '"[{' * 500]), f"[{'[],' * 5000}{{}}]"):
        assert parse_json(text) == json.loads(text)


@given(JSON, st.integers(0, 5))
def test_containers_below_a_depth_are_emptied(value: object, depth: int) -> None:
    for text in (json.dumps(value), json.dumps(value, ensure_ascii=False, separators=(",", ":"))):
        assert json.loads(empty_below(text, depth)) == emptied(value, depth)


@given(TEXT, st.integers(0, 3))
def test_emptying_what_is_not_json_does_not_fail(text: str, depth: int) -> None:
    empty_below(text, depth)


@pytest.mark.parametrize("element", ["[]", "{}", '{"":0}', "0", '"\\","', '"[{,"'])
def test_elements_are_limited_before_anything_is_parsed(element: str) -> None:
    marks = element.count("[") + element.count("{") + 1 if element[0] != '"' else 1
    most = MAX_ELEMENTS // marks
    accepted, rejected = (f"[{','.join([element] * number)}]" for number in (most, most + 1))
    assert not has_too_many_elements(accepted.encode())
    parse_json(accepted)
    assert has_too_many_elements(rejected.encode())
    with pytest.raises(TooManyElementsError):
        parse_json(rejected)


@pytest.mark.parametrize("text", ['"a', '"\\', "\\", '"\ud800\xe9"'])
def test_marks_in_strings_are_not_elements(text: str) -> None:
    assert not has_too_many_elements(f'"{"," * MAX_ELEMENTS}{text}'.encode(errors="surrogatepass"))
