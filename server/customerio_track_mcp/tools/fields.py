"""How an argument may be written: the forms that hosts really send, each read as what it plainly is.

An id comes as a number, an object as a JSON string, null for an optional argument. Form only is judged here.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Annotated, Any

from pydantic import BeforeValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from customerio_track_mcp.track import EventType, IdType

_MOST_DIGITS = 300  # longer than any limit; Python itself refuses to write down integers of thousands of digits


def _wrong(text: str) -> PydanticCustomError:
    return PydanticCustomError("form", "{text}", {"text": text})


def _identifier(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() < _MOST_DIGITS * 3:
        return str(value)
    if isinstance(value, str):
        return value.strip()
    raise _wrong("has to be a string")


def _text(value: object) -> str:
    if isinstance(value, str):
        return value.strip()
    raise _wrong("has to be a string")


def _seconds(value: object) -> int | None:
    match value:
        case None:
            return None
        case bool():
            pass
        case int():
            return value
        case float() if value.is_integer():
            return int(value)
        case str() if (digits := value.strip()).isascii() and digits.isdigit() and len(digits) <= _MOST_DIGITS:
            return int(digits)
        case _:
            pass
    raise _wrong("has to be a whole number of UNIX seconds, such as 1767225600 for 2026-01-01T00:00:00Z")


def _parsed(value: object, kind: type, name: str) -> Any:
    """`value`, or what it says where it is a JSON string, as some hosts send objects and arrays."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            raise _wrong(f"has to be {name}; the string that was given is not JSON") from None
    if not isinstance(value, kind):
        raise _wrong(f"has to be {name}")
    return value


def _object(value: object) -> dict[str, Any] | None:
    parsed: dict[str, Any] | None = None if value is None else _parsed(value, dict, "a JSON object")
    return parsed


def _ids(value: object) -> list[Any]:
    parsed: list[Any] = _parsed(value, list, "an array of strings")
    return parsed


def one_of(choices: type[EventType | IdType], default: IdType | None) -> Callable[[object], object]:
    """A reader of one of `choices` as it is spelled; null counts as `default`."""
    allowed = ", ".join(choices)

    def choose(value: object) -> object:
        if value is None:
            return default
        if isinstance(value, str) and value in list(choices):
            return choices(value)
        raise _wrong(f"has to be one of {allowed}")

    return choose


Identifier = Annotated[str, BeforeValidator(_identifier)]
Text = Annotated[str, BeforeValidator(_text)]
Seconds = Annotated[int | None, BeforeValidator(_seconds), WithJsonSchema({"type": "integer"})]
JsonObject = Annotated[
    dict[str, Any] | None,
    BeforeValidator(_object),
    WithJsonSchema({"type": "object", "additionalProperties": True}),
]
Identifiers = Annotated[list[Identifier], BeforeValidator(_ids)]
