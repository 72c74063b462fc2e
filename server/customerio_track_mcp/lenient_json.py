"""JSON that pydantic's parser rejects: lone surrogates, deep nesting, and integers of thousands of digits.

All of these are JSON. They are parsed so that a tool can report the argument that contains them.
"""

from __future__ import annotations

import json
import re
from itertools import accumulate
from typing import Any, Final

MAX_DEPTH: Final = 500
"""Levels of nesting. Python's parser has a limit too, but that depends on the depth of the stack."""

_IGNORED_AT_START: Final = "\ufeff \t\r\n"  # byte order marks, and the white space of JSON
_STEPS: Final = {"[": 1, "{": 1, "]": -1, "}": -1}
# A string that does not end matches to the end of the text, so that the time is linear for invalid JSON too.
_STRING: Final = r'"[^"\\]*(?:\\.[^"\\]*)*"?'
_STRINGS: Final = re.compile(_STRING, re.DOTALL)
_NOT_BRACKETS: Final = re.compile(r"[^\[\]{}]+")
_STRINGS_AND_BRACKETS: Final = re.compile(rf"{_STRING}|[\[{{]+|[\]}}]+", re.DOTALL)


class NestedTooDeeplyError(ValueError):
    """JSON is nested deeper than `MAX_DEPTH`."""


def parse_json(text: str) -> Any:
    """Parse JSON. Byte order marks before it are skipped.

    An integer of more than 4300 digits becomes an infinity, which no tool accepts.

    Raises:
        NestedTooDeeplyError: it is nested too deeply.
        ValueError: it is not JSON.
    """
    if text.count("[") + text.count("{") > MAX_DEPTH and depth_of(text) > MAX_DEPTH:
        raise NestedTooDeeplyError
    return _DECODER.decode(text.lstrip(_IGNORED_AT_START))


def depth_of(text: str) -> int:
    """Return how deeply the JSON in `text` is nested."""
    brackets = _NOT_BRACKETS.sub("", _STRINGS.sub("", text))
    return max(accumulate(map(_STEPS.__getitem__, brackets)), default=0)


def empty_below(text: str, depth: int) -> str:
    """Return the JSON in `text` with every array and object below `depth` levels emptied."""
    kept: list[str] = []
    position = level = 0
    for match in _STRINGS_AND_BRACKETS.finditer(text):
        token = match.group()
        if token[0] in "[{":
            if level <= depth < level + len(token):
                end = match.start() + depth - level + 1
                kept.append(text[position:end])
            level += len(token)
        elif token[0] in "]}":
            if level - len(token) <= depth < level:
                position = match.start() + level - depth - 1
            level -= len(token)
    return "".join([*kept, text[position:]])


def _parse_int(digits: str) -> int | float:
    try:
        return int(digits)  # up to 4300 digits, as pydantic's parser
    except ValueError:
        return float(digits)


_DECODER: Final = json.JSONDecoder(parse_int=_parse_int)
