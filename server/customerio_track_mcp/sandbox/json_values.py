"""JSON of clients and of data files: objects that can be stored, shown and sent again, and what they take in memory."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Any, Final, TypeVar

from customerio_track_mcp.sandbox.bounds import MAX_LEVELS

Value = TypeVar("Value")

# json.dumps would create an encoder for each value.
_COMPACT: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
_CANONICAL: Final = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), sort_keys=True)
_ELEMENT_BYTES = 64
"""Memory of an element of an object or an array, in addition to its text."""


def parse(text: str | bytes, max_levels: int = MAX_LEVELS) -> Any:
    """Return JSON values.

    Raises:
        ValueError: the text is not JSON, or contains what cannot be written as JSON again: NaN, Infinity, lone
            surrogates, or more than `max_levels` levels. The message does not quote the text.
    """
    try:
        value = json.loads(text, parse_constant=_reject_constant)
        json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError):
        raise ValueError("not valid JSON") from None
    if _is_deeper_than(max_levels, value):
        raise ValueError("not valid JSON")
    return value


def parse_object(text: str | bytes, max_levels: int = MAX_LEVELS) -> dict[str, object]:
    """Return a JSON object.

    Raises:
        ValueError: as `parse`, or the text is not an object.
    """
    value = parse(text, max_levels)
    if not isinstance(value, dict):
        raise ValueError("not a JSON object")  # noqa: TRY004 - wrong data, not a wrong type of argument
    return value


def compact(value: object) -> str:
    """Return `value` as JSON without spaces."""
    return _COMPACT.encode(value)


def canonical(value: object) -> str:
    """Return the same text for values that are equal as JSON: names in order, and no spaces."""
    return _CANONICAL.encode(value)


def memory_of(value: object) -> int:
    """Return about how many bytes JSON values take in memory, which may be 30 times the size of their JSON."""
    text = compact(value)
    return len(text.encode()) + _ELEMENT_BYTES * sum(map(text.count, "[{,:"))


def copy_of(value: Value) -> Value:
    """Return a copy of JSON values, of any depth."""
    copy: list[Value] = [value]
    waiting: list[Any] = [copy]
    while waiting:
        container = waiting.pop()
        for key, member in list(container.items() if isinstance(container, dict) else enumerate(container)):
            if isinstance(member, (dict, list)):
                container[key] = member.copy()
                waiting.append(container[key])
    return copy[0]


def pieces_of(value: Mapping[str, object]) -> Iterator[str]:
    """Write a JSON object in pieces. A value that is an iterator is written as an array, one element at a time."""
    yield "{"
    for position, (name, member) in enumerate(value.items()):
        yield f"{',' if position else ''}{json.dumps(name)}:"
        if isinstance(member, Iterator):
            yield "["
            for number, element in enumerate(member):
                yield f"{',' if number else ''}{json.dumps(element)}"
            yield "]"
        else:
            yield json.dumps(member)
    yield "}"


def _is_deeper_than(levels: int, value: Any) -> bool:
    containers = _containers([value])
    for _ in range(levels):
        if not containers:
            return False
        members = (one.values() if isinstance(one, dict) else one for one in containers)
        containers = _containers(chain.from_iterable(members))
    return containers != []


def _containers(values: Iterable[Any]) -> list[Any]:
    return [value for value in values if isinstance(value, (dict, list))]


def _reject_constant(name: str) -> object:
    """Reject NaN and Infinity, which Python's parser accepts."""
    raise ValueError(f"{name} is not valid JSON")
