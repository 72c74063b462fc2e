"""Hypothesis strategies for JSON values and for the arguments of tool calls.

They are created once: Hypothesis spends more time on creating and validating a strategy than on drawing from it.
"""

from __future__ import annotations

from functools import cache
from typing import Any, Final

from hypothesis import strategies as st

from customerio_track_mcp.tools.registry import TOOLS

Call = tuple[str, dict[str, Any]]
"""The name of a tool, and arguments."""

PARAMETERS: Final = {name: list(tool.definition.input_schema["properties"]) for name, tool in TOOLS.items()}
NAMES: Final = (
    "self", "cls", "loc", "__class__", "__proto__", "model_config", "arguments", "name", "", " ", "customerId", "event",
    "timestamp", "toolCallId", "x" * 5000, "\u202egnp.exe", "a\nb", "\x1b[31m", "\x00", "customer_id ", "Customer_Id",
)  # fmt: skip
SURROGATES: Final = ("\ud800", "\udfff\ud800", "customer_id\ud800", "email\udc00", "\ud83d" * 100)
LIKELY: Final[tuple[Any, ...]] = (
    "1", 1, 1.0, "ann@example.com", "cio_03000001", "page", "id", "email", "..", "", " ", "\x00", "x" * 200, None, True,
    1_700_000_000, 1_700_000_000_000, 10**400, '{"a": 1}', '["1"]', "{", "null", ["1"], ["ann@example.com", 2],
    {"plan": "pro"}, {"unsubscribed": True}, {"email": "b@c"}, {"created_at": "x"}, {"recipient": "a@b"}, [[]],
    {"a": {"b": [None]}}, {"self": 1, "__class__": 2},
)  # fmt: skip
LIKELY_WITH_SURROGATES: Final[tuple[Any, ...]] = (
    "\ud800", {"a": "\ud800"}, {"\ud800": 1}, {"\ud800": float("nan")}, {"unsubscribed.\ud800": 1}, {"email": "\ud800"},
    ["\ud800"], ["1", "\ud800"], '"\\ud800"', '{"\\ud800": NaN}', '["\\ud800"]',
)  # fmt: skip


@cache
def texts(*, surrogates: bool) -> st.SearchStrategy[str]:
    """Return a strategy for text.

    Args:
        surrogates: whether it may contain lone surrogates.
    """
    return st.text(st.characters(exclude_categories=[] if surrogates else ["Cs"]))


@cache
def values(*, surrogates: bool) -> st.SearchStrategy[Any]:
    """Return a strategy for JSON values, NaN and infinities included; see `texts`."""
    text = texts(surrogates=surrogates)
    scalars = st.none() | st.booleans() | st.integers() | st.floats() | text
    json = st.recursive(scalars, lambda inner: st.lists(inner) | st.dictionaries(text, inner), max_leaves=8)
    likely = st.sampled_from(LIKELY + LIKELY_WITH_SURROGATES if surrogates else LIKELY)
    return likely | json


@cache
def arguments_of(tool: str, *, surrogates: bool) -> st.SearchStrategy[dict[str, Any]]:
    """Return a strategy for the arguments of a tool: known and unknown names, and values of every kind; see `texts`."""
    unknown = st.sampled_from(NAMES + SURROGATES if surrogates else NAMES) | texts(surrogates=surrogates)
    names = st.sampled_from(PARAMETERS[tool]) | unknown
    return st.dictionaries(names, values(surrogates=surrogates), max_size=6)


@cache
def calls(*, surrogates: bool) -> st.SearchStrategy[Call]:
    """Return a strategy for a tool and its arguments; see `arguments_of`."""
    return st.one_of(
        [st.tuples(st.just(tool), arguments_of(tool, surrogates=surrogates)) for tool in sorted(PARAMETERS)]
    )
