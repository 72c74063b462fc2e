"""JSON that pydantic's parser rejects: lone surrogates, deep nesting, and integers of thousands of digits.

All of these are JSON. They are parsed so that a tool can report the argument that contains them. What would take too
much memory is not parsed: see `MAX_ELEMENTS`.
"""

from __future__ import annotations

import json
import re
from itertools import accumulate
from typing import Any, Final

MAX_DEPTH: Final = 500
"""Levels of nesting. Python's parser has a limit too, but that depends on the depth of the stack."""

MAX_ELEMENTS: Final = 100_000
"""Elements of arrays and objects in one text, counted as its commas and opening brackets outside of strings.

An event's data, 100 000 bytes of JSON, contain at most 66 667 (`[],[],…`). 300 attributes may have 333 each, and a
segment takes 1000 ids. Each element is an object of up to 200 bytes in Python, for as little as two bytes of JSON.
"""

_IGNORED_AT_START: Final = "\ufeff \t\r\n"  # byte order marks, and the white space of JSON
_STEPS: Final = {"[": 1, "{": 1, "]": -1, "}": -1}
# A string that does not end matches to the end of the text, so that the time is linear for invalid JSON too.
_STRING: Final = r'"[^"\\]*(?:\\.[^"\\]*)*"?'
_STRINGS: Final = re.compile(_STRING, re.DOTALL)
_STRINGS_IN_BYTES: Final = re.compile(_STRING.encode(), re.DOTALL)
_NOT_BRACKETS: Final = re.compile(r"[^\[\]{}]+")
_STRINGS_AND_BRACKETS: Final = re.compile(rf"{_STRING}|[\[{{]+|[\]}}]+", re.DOTALL)


class NestedTooDeeplyError(ValueError):
    """JSON is nested deeper than `MAX_DEPTH`."""


class TooManyElementsError(ValueError):
    """JSON contains more than `MAX_ELEMENTS`."""


def parse_json(text: str) -> Any:
    """Parse JSON. Byte order marks before it are skipped.

    An integer of more than 4300 digits becomes an infinity, which no tool accepts.

    Raises:
        NestedTooDeeplyError: it is nested too deeply.
        TooManyElementsError: it contains too many elements.
        ValueError: it is not JSON.
    """
    if len(text) > MAX_ELEMENTS and has_too_many_elements(text.encode(errors="surrogatepass")):
        raise TooManyElementsError
    if text.count("[") + text.count("{") > MAX_DEPTH and depth_of(text) > MAX_DEPTH:
        raise NestedTooDeeplyError
    return _DECODER.decode(text.lstrip(_IGNORED_AT_START))


def has_too_many_elements(data: bytes) -> bool:
    """Return whether the JSON in `data` contains more than `MAX_ELEMENTS`, without parsing it."""
    if len(data) <= MAX_ELEMENTS or _count_elements(data) <= MAX_ELEMENTS:
        return False
    return _count_elements(_STRINGS_IN_BYTES.sub(b"", data)) > MAX_ELEMENTS


def _count_elements(data: bytes) -> int:
    return data.count(b",") + data.count(b"[") + data.count(b"{")


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
