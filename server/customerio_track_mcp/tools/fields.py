"""Field types of the tools' parameters: which forms of a value are accepted, and what they are read as.

Hosts send a number for an id, a JSON string for an object, null for an optional parameter. Only the form is checked
here; the vendor's limits are checked by `track`.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, WithJsonSchema
from pydantic_core import PydanticCustomError

from customerio_track_mcp.track import EventType, IdType

_MAX_DIGITS: Final = 300  # beyond every limit; Python refuses to print integers of more than 4300 digits


def _invalid(text: str) -> PydanticCustomError:
    return PydanticCustomError("form", "{text}", {"text": text})


def _identifier(value: object) -> str:
    if isinstance(value, int) and not isinstance(value, bool) and value.bit_length() < _MAX_DIGITS * 3:
        return str(value)
    return _text(value)


def _text(value: object) -> str:
    if isinstance(value, str):
        return value.strip()
    raise _invalid("must be a string")


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
        case str() if (digits := value.strip()).isascii() and digits.isdigit() and len(digits) <= _MAX_DIGITS:
            return int(digits)
        case _:
            pass
    raise _invalid("must be a whole number of UNIX seconds, for example 1767225600 for 2026-01-01T00:00:00Z")


def _parse_if_json(value: object, kind: type, name: str) -> Any:
    """Return `value`, or its content if it is a JSON string, as some hosts send objects and arrays."""
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            raise _invalid(f"must be {name}; the string is not valid JSON") from None
    if not isinstance(value, kind):
        raise _invalid(f"must be {name}")
    return value


def _object(value: object) -> dict[str, Any] | None:
    parsed: dict[str, Any] | None = None if value is None else _parse_if_json(value, dict, "a JSON object")
    return parsed


def _array(value: object) -> list[Any]:
    parsed: list[Any] = _parse_if_json(value, list, "an array of strings")
    return parsed


def one_of(choices: type[EventType | IdType], default: IdType | None) -> Callable[[object], object]:
    """Create a validator that accepts the exact values of `choices`; null is read as `default`."""
    accepted = ", ".join(choices)

    def choose(value: object) -> object:
        if value is None:
            return default
        if isinstance(value, str) and value in list(choices):
            return choices(value)
        raise _invalid(f"must be one of {accepted}")

    return choose


Identifier = Annotated[str, BeforeValidator(_identifier)]
Text = Annotated[str, BeforeValidator(_text)]
Seconds = Annotated[int | None, BeforeValidator(_seconds), WithJsonSchema({"type": "integer"})]
JsonObject = Annotated[
    dict[str, Any] | None,
    BeforeValidator(_object),
    WithJsonSchema({"type": "object", "additionalProperties": True}),
]
Identifiers = Annotated[list[Identifier], BeforeValidator(_array)]
