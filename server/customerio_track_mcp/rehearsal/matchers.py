"""How a value that a scenario expects is compared with the one that is there: as JSON, or by a matcher.

A matcher stands for a value that an agent may choose, as a YAML tag: `!any`, `!matches "regex"` or `!one_of [a, b]`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from customerio_track_mcp.rehearsal.shown_text import shown

OTHERS: Final = "*"
"""The key that stands for every key that an expected mapping does not name."""


@dataclass(frozen=True, slots=True)
class AnyValue:
    """Any JSON value but null: `!any`."""


@dataclass(frozen=True, slots=True)
class Matches:
    """A text that a regular expression matches as a whole: `!matches "regex"`.

    The expression is the scenario's author's, who is trusted: nothing bounds the time that it takes.

    Args:
        pattern: in the syntax of `re`.

    Raises:
        re.PatternError: the pattern is invalid.
    """

    pattern: str
    _compiled: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_compiled", re.compile(self.pattern))

    def accepts(self, text: str) -> bool:
        """Return whether the expression matches the whole text."""
        return self._compiled.fullmatch(text) is not None


@dataclass(frozen=True, slots=True)
class OneOf:
    """One of several values: `!one_of [a, b]`. Each may be a matcher, too."""

    values: tuple[object, ...]


ANY: Final = AnyValue()


def is_match(expected: object, actual: object) -> bool:
    """Return whether a value is the expected one.

    Numbers are equal by value (1 is 1.0), and a boolean is not a number. Mappings have the same keys; `"*"` in the
    expected one stands for all that it does not name.
    """
    match expected:
        case AnyValue():
            return actual is not None
        case Matches():
            return isinstance(actual, str) and expected.accepts(actual)
        case OneOf():
            return any(is_match(value, actual) for value in expected.values)
        case Mapping():
            return isinstance(actual, Mapping) and _is_mapping_match(expected, actual)
        case list():
            return isinstance(actual, list) and len(expected) == len(actual) and all(map(is_match, expected, actual))
    return _is_equal_scalar(expected, actual)


def is_equal(one: object, another: object) -> bool:
    """Return whether two JSON values are equal, however deeply they are nested. Numbers are equal by value."""
    waiting = [(one, another)]
    while waiting:
        left, right = waiting.pop()
        if isinstance(left, Mapping) and isinstance(right, Mapping):
            if left.keys() != right.keys():
                return False
            waiting += [(left[key], right[key]) for key in left]
        elif isinstance(left, list) and isinstance(right, list):
            if len(left) != len(right):
                return False
            waiting += zip(left, right, strict=True)
        elif not _is_equal_scalar(left, right):
            return False
    return True


def _is_equal_scalar(one: object, another: object) -> bool:
    if isinstance(one, Mapping | list) or isinstance(another, Mapping | list):
        return False
    return one == another and isinstance(one, bool) == isinstance(another, bool)


def _is_mapping_match(expected: Mapping[str, object], actual: Mapping[str, object]) -> bool:
    others = expected.get(OTHERS)
    named = expected.keys() - {OTHERS}
    return all(key in actual and is_match(expected[key], actual[key]) for key in named) and all(
        others is not None and is_match(others, actual[key]) for key in actual.keys() - named
    )


def described(expected: object) -> str:
    """Return an expected value as a short text for a finding: JSON, in which matchers are words."""
    match expected:
        case AnyValue():
            return "any value"
        case Matches():
            return f"a text that matches {shown(expected.pattern)}"
        case OneOf():
            return "one of " + ", ".join(map(described, expected.values))
        case _:
            return _described_json(expected)


def _described_json(value: object) -> str:
    try:
        text = json.dumps(value, ensure_ascii=False, default=described)
    except (ValueError, RecursionError):
        return "a deeply nested value"
    head = shown(text)
    return f'{head}"' if isinstance(value, str) and head.endswith("…") else head
