"""What a request carries about somebody: attributes of a person, data of an event.

Both are checked as they are encoded, so that what was measured is what is sent.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping

from customerio_track_mcp.track.errors import Problem
from customerio_track_mcp.track.validation.identifiers import text_problems, utf8_size
from customerio_track_mcp.track.validation.limits import (
    ATTRIBUTE_NAME_BYTES,
    ATTRIBUTE_VALUE_BYTES,
    ATTRIBUTES_PER_CALL,
    EVENT_DATA_BYTES,
)

_DEEPEST_SEARCH = 50
_LONGEST_INTEGER_BITS = 14_000  # Python writes down integers of up to 4300 digits


def encode(value: object) -> bytes:
    """`value` as compact JSON in UTF-8, the form in which everything is sent.

    Raises:
        ValueError: it holds NaN, an infinity, a lone surrogate, an integer too long for Python to write down,
            or refers to itself.
        TypeError: it holds something that JSON has no form for.
        RecursionError: it is nested too deeply.
    """
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def attributes_problems(parameter: str, attributes: Mapping[str, object], others: int) -> list[Problem]:
    """What is wrong with a person's `attributes`.

    Args:
        parameter: the name to give the problems.
        attributes: names and values; None clears an attribute.
        others: how many further attributes the same call carries, such as `email`.
    """
    problems: list[Problem] = []
    if len(attributes) + others > ATTRIBUTES_PER_CALL:
        problems.append(
            Problem(
                parameter,
                f"holds {len(attributes)} attributes; with email and created_at at most {ATTRIBUTES_PER_CALL} "
                "are allowed in one call, so send the rest in another",
            )
        )
    for name, value in attributes.items():
        problems += _name_problems(parameter, name)
        problems += text_problems(f"{parameter} name {shorten(name)!r}", name, ATTRIBUTE_NAME_BYTES)
        problems += _attribute_value_problems(f"{parameter}.{shorten(name)}", value)
    return problems


def event_data_problems(parameter: str, data: Mapping[str, object]) -> list[Problem]:
    """What is wrong with an event's `data`."""
    problems = [problem for name in data for problem in _name_problems(parameter, name)]
    size = _json_size(data)
    if isinstance(size, str):
        problems.append(Problem(_place_of_fault(parameter, data), size))
    elif size > EVENT_DATA_BYTES:
        told = f"is {size} bytes of JSON; at most {EVENT_DATA_BYTES} bytes are allowed in one event"
        problems.append(Problem(parameter, told))
    return problems


def _name_problems(parameter: str, name: str) -> list[Problem]:
    if name.strip() and name != name.strip():
        return [Problem(f"{parameter} name {shorten(name)!r}", "has white space around it; take it away")]
    return []


def shorten(text: str, most: int = 40) -> str:
    """`text` cut to `most` characters for use in a message, with what can't be shown replaced."""
    printable = "".join(char if char.isprintable() else "\N{REPLACEMENT CHARACTER}" for char in text[: most + 1])
    return printable if len(printable) <= most else printable[: most - 1] + "…"


def _attribute_value_problems(place: str, value: object) -> list[Problem]:
    if value is None or isinstance(value, bool):
        return []
    if isinstance(value, str) and (characters := utf8_size(value)) is not None:
        size: int | str = characters
    else:
        size = _json_size(value)
    if isinstance(size, str):
        return [Problem(_place_of_fault(place, value), size)]
    if size > ATTRIBUTE_VALUE_BYTES:
        return [Problem(place, f"is {size} bytes long; at most {ATTRIBUTE_VALUE_BYTES} bytes are allowed per value")]
    return []


def _json_size(value: object) -> int | str:
    """The bytes of `value` as JSON, or what keeps it from being JSON."""
    try:
        return len(encode(value))
    except UnicodeEncodeError:
        return "holds a lone surrogate, which is no character; send valid Unicode text"
    except RecursionError:
        return "is nested too deeply; flatten it"
    except (TypeError, ValueError):
        return "is no JSON value; NaN, Infinity and numbers of thousands of digits are not allowed, null is"


def _place_of_fault(place: str, value: object) -> str:
    """The path to the first part of `value` that is not JSON in itself, or `place` where no one part is."""
    return next(_faults(place, value, depth=0), place)


def _faults(place: str, value: object, depth: int) -> Iterator[str]:
    if depth > _DEEPEST_SEARCH:
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
            return value.bit_length() < _LONGEST_INTEGER_BITS
        case float():
            return math.isfinite(value)
        case _:
            return False
