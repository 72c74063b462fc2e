"""The arguments of a call in the forms in which hosts send them. Over the wire: integration/test_message_forms.py."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from customerio_track_mcp.tools.received_arguments import read_arguments
from customerio_track_mcp.track import InvalidArgumentsError

TEXT = st.text(st.characters(exclude_categories=[]))  # lone surrogates too
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | TEXT,
    lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner),
    max_leaves=20,
)


@given(st.dictionaries(TEXT, JSON, max_size=3), st.integers(0, 3))
def test_an_object_is_read_however_often_it_was_encoded(arguments: dict[str, Any], times: int) -> None:
    encoded: Any = arguments
    for _ in range(times):
        encoded = json.dumps(encoded)
    assert read_arguments(encoded) == arguments


@pytest.mark.parametrize("nothing", [None, "", " \n", "null", " null ", [], "[]", {}, "{}", '""', '"null"', '"[]"'])
def test_nothing_is_read_as_an_empty_object(nothing: object) -> None:
    assert read_arguments(nothing) == {}


@given(JSON | TEXT | st.floats())
def test_anything_else_is_one_problem_of_the_arguments(value: object) -> None:
    try:
        assert isinstance(read_arguments(value), dict)
    except InvalidArgumentsError as error:
        (problem,) = error.problems
        assert problem.parameter == "arguments"
        assert "JSON object" in problem.text
