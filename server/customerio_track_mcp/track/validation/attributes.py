"""Validate what a request contains about a person: attributes, and event data.

Values are measured in the encoding in which they are sent.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from itertools import islice
from typing import Final

from customerio_track_mcp.track.errors import MAX_PROBLEMS_SHOWN, Problem
from customerio_track_mcp.track.printable import shorten
from customerio_track_mcp.track.validation.characters import hidden_characters
from customerio_track_mcp.track.validation.limits import (
    ATTRIBUTE_NAME_BYTES,
    ATTRIBUTE_VALUE_BYTES,
    ATTRIBUTES_PER_CALL,
    EVENT_DATA_BYTES,
)
from customerio_track_mcp.track.validation.ordinary import are_ordinary_names
from customerio_track_mcp.track.validation.sizes import MAX_INTEGER_BITS, encode_or_explain, examine, names_fit
from customerio_track_mcp.track.validation.text import text_problems, trim, utf8_size

_MAX_SEARCH_DEPTH: Final = 50
_SMALL_BITS: Final = 64


def attributes_problems(parameter: str, attributes: Mapping[str, object], others: int) -> list[Problem]:
    """Validate a person's `attributes`.

    Args:
        parameter: the name to report.
        attributes: names and values; None clears an attribute.
        others: how many further attributes the same call contains, such as `email`.
    """
    if len(attributes) + others > ATTRIBUTES_PER_CALL:
        return [
            Problem(
                parameter,
                f"contains {len(attributes)} attributes; the maximum is {ATTRIBUTES_PER_CALL} per call, including "
                "email and created_at; pass the rest in another call",
            )
        ]
    problems: list[Problem] = []
    are_names_ordinary = are_ordinary_names(attributes.keys())
    for name, value in attributes.items():
        if not are_names_ordinary:
            problems += _attribute_name_problems(parameter, name)
        if not _is_small(value):
            problems += _attribute_value_problems(f"{parameter}.{shorten(name)}", value)
    return problems


def encode_event_data(parameter: str, data: Mapping[str, object]) -> tuple[bytes, list[Problem]]:
    """Validate an event's `data`. Of its names, the first that are invalid are reported.

    Returns:
        The data as JSON, which may be empty if there are problems, and the problems.
    """
    problems: list[Problem] = []
    if names_fit(data, EVENT_DATA_BYTES):
        invalid = (problem for name in data for problem in _name_problems(parameter, name))
        problems += islice(invalid, MAX_PROBLEMS_SHOWN)
    too_large, is_plain = examine(data, EVENT_DATA_BYTES)
    if too_large:
        return b"", [*problems, Problem(parameter, too_large)]
    encoded = encode_or_explain(data, is_plain=is_plain)
    if isinstance(encoded, str):
        return b"", [*problems, Problem(_path_to_fault(parameter, data), encoded)]
    if len(encoded) > EVENT_DATA_BYTES:
        text = f"is {len(encoded)} bytes of JSON; the maximum is {EVENT_DATA_BYTES} bytes per event"
        problems.append(Problem(parameter, text))
    return encoded, problems


def _attribute_name_problems(parameter: str, name: str) -> list[Problem]:
    place = f"{parameter} name {shorten(name)!r}"
    surrounded = _name_problems(parameter, name)
    if invalid := text_problems(place, name, ATTRIBUTE_NAME_BYTES):
        return surrounded + invalid
    if not surrounded and (hidden := hidden_characters(name, strict=False)):
        return [Problem(place, hidden)]
    return surrounded


def _name_problems(parameter: str, name: str) -> list[Problem]:
    if (trimmed := trim(name)) and name != trimmed:
        return [Problem(f"{parameter} name {shorten(name)!r}", "has surrounding whitespace; remove it")]
    return []


def _is_small(value: object) -> bool:
    """Return whether `value` is certainly valid and within the limits, as nearly all values are."""
    if isinstance(value, str):
        return len(value) <= ATTRIBUTE_VALUE_BYTES and value.isascii()
    return value is None or isinstance(value, bool) or (isinstance(value, int) and value.bit_length() <= _SMALL_BITS)


def _attribute_value_problems(place: str, value: object) -> list[Problem]:
    if value is None or isinstance(value, bool):
        return []
    if isinstance(value, str) and (characters := utf8_size(value)) is not None:
        size = characters
    else:
        too_large, is_plain = examine(value, ATTRIBUTE_VALUE_BYTES)
        if too_large:
            return [Problem(place, too_large)]
        encoded = encode_or_explain(value, is_plain=is_plain)
        if isinstance(encoded, str):
            return [Problem(_path_to_fault(place, value), encoded)]
        size = len(encoded)
    if size > ATTRIBUTE_VALUE_BYTES:
        return [Problem(place, f"is {size} bytes long; the maximum is {ATTRIBUTE_VALUE_BYTES} bytes per value")]
    return []


def _path_to_fault(place: str, value: object) -> str:
    """Return the path to the first part of `value` that is not valid JSON by itself; `place` if there is none."""
    return next(_faults(place, value, depth=0), place)


def _faults(place: str, value: object, depth: int) -> Iterator[str]:
    if depth > _MAX_SEARCH_DEPTH:
        return
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield from _faults(f"{place}.{shorten(str(key))}", item, depth + 1)
    elif isinstance(value, list | tuple):
        for index, item in enumerate(value):
            yield from _faults(f"{place}[{index}]", item, depth + 1)
    elif not _is_json_scalar(value):
        yield place


def _is_json_scalar(value: object) -> bool:
    match value:
        case str():
            return utf8_size(value) is not None
        case bool() | None:
            return True
        case int():
            return value.bit_length() < MAX_INTEGER_BITS
        case float():
            return math.isfinite(value)
        case _:
            return False
