"""Sizes of JSON: what is too large is found without encoding it, and nothing that fits is too large."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customerio_track_mcp.track.validation.sizes import encode, names_fit, too_large

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
