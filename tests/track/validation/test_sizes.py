"""Sizes of JSON: what is too large is found without encoding it, and nothing that fits is too large."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from enum import IntEnum, StrEnum
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from customerio_track_mcp.track.validation.sizes import encode, encode_or_explain, examine, names_fit, too_large

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=20,
)


@given(JSON, st.integers(0, 200))
def test_what_fits_is_not_too_large(value: object, more: int) -> None:
    assert too_large(value, len(encode(value)) + more) == ""


@given(st.dictionaries(st.text(), st.integers()))
def test_names_fit_if_the_object_does(members: dict[str, int]) -> None:
    assert names_fit(members, len(encode(members)))


@pytest.mark.parametrize(
    "value",
    [
        [1] * 1000,
        {str(number): 1 for number in range(300)},
        {"a" * 1001: 1},
        ["a" * 1001],
        [[[[]] * 600]],
        [10**4000] * 2,
        {"a": {"b": [{"c": "x" * 1000}]}},
    ],
)
def test_what_is_certainly_larger_is_too_large(value: object) -> None:
    assert len(json.dumps(value)) > 1000
    assert too_large(value, 1000) == "is larger than the maximum of 1000 bytes of JSON"


class Word(StrEnum):
    ONE = "one"


class Number(IntEnum):
    ONE = 1


class Text(str):
    """Text of a program's own."""

    __slots__ = ()


NUMBERS = st.floats() | st.integers() | st.integers(-(2**70), 2**70) | st.just(10**999)
FLOATS_AT_EDGES = [0.0, -0.0, 1e-4, 9.999999999999999e-05, 1e-5, 9999999999999998.0, 1e16, 1e22, 5e-324, 1.8e308]
INTEGERS_AT_EDGES = [2**63 - 1, 2**63, -(2**63), -(2**63) - 1, 2**64]
EDGES = st.sampled_from([*FLOATS_AT_EDGES, *INTEGERS_AT_EDGES])
TEXT = st.text(st.characters(exclude_categories=[])) | st.sampled_from(
    ['"', "\\", "/", "\x00", "\x1f", "\x7f", "\u2028"]
)
NOT_JSON = st.sampled_from([Text("a"), Word.ONE, Number.ONE, datetime.now(UTC), b"a", {1}, object(), 1j, range(2)])
ANYTHING = st.recursive(
    st.none() | st.booleans() | NUMBERS | EDGES | TEXT | NOT_JSON,
    lambda inner: (
        st.lists(inner)
        | st.lists(inner).map(tuple)
        | st.dictionaries(TEXT | st.integers() | st.sampled_from([None, True, Text("a"), Word.ONE]), inner)
    ),
    max_leaves=20,
)


def result_of(encode: Callable[[object], bytes], value: object) -> bytes | type[Exception]:
    try:
        return encode(value)
    except (TypeError, ValueError, RecursionError) as error:
        return type(error)


def dumps(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


@given(ANYTHING)
@example("\ud800")
@example({"a": [float("nan")]})
@example({1: "a", None: "b"})
def test_json_is_that_of_the_standard_library(value: object) -> None:
    is_plain = examine(value, 10**6).is_plain
    assert result_of(lambda any_value: encode(any_value, is_plain=is_plain), value) == result_of(dumps, value)


@pytest.mark.parametrize("levels", [1, 100, 200, 254, 255, 256, 300, 500])
@pytest.mark.parametrize("nest", [lambda inner: [inner], lambda inner: {"a": inner}])
def test_nested_json_is_that_of_the_standard_library(nest: Callable[[Any], Any], levels: int) -> None:
    value: Any = 1
    for _ in range(levels):
        value = nest(value)
    assert examine(value, 10**6).is_plain
    assert encode(value, is_plain=True) == dumps(value)


@pytest.mark.parametrize("value", [{"text": "a", "list": [1, 2.5, None, True], "object": {}}, "a", 1, ["é", "\x00"]])
def test_usual_values_are_plain(value: object) -> None:
    assert examine(value, 1000).is_plain


@pytest.mark.parametrize(
    "value", [float("nan"), float("inf"), 1e16, 1e-5, 2**64, Word.ONE, {1: 2}, {Word.ONE: 1}, Text("a"), {"a": {1, 2}}]
)
def test_what_can_be_written_in_several_ways_is_not_plain(value: object) -> None:
    assert not examine(value, 1000).is_plain


@pytest.mark.parametrize("is_plain", [True, False])
def test_lone_surrogate_is_explained(is_plain: bool) -> None:
    assert encode_or_explain(["\ud800"], is_plain=is_plain) == (
        "contains a lone surrogate, which is not a valid character; pass valid Unicode text"
    )
