"""Field types of the tools' parameters: which forms of a value are accepted, and what they are read as.

Hosts send a number for an id, a JSON string for an object, null or an empty string for an optional parameter. Only the
form is checked here; the vendor's limits are checked by `track`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, ValidatorFunctionWrapHandler, WithJsonSchema, WrapValidator
from pydantic_core import PydanticCustomError

from customerio_track_mcp.lenient_json import (
    MAX_DEPTH,
    MAX_ELEMENTS,
    NestedTooDeeplyError,
    TooManyElementsError,
    parse_json,
)
from customerio_track_mcp.track import NOT_SECONDS, EventType, IdType, limits, read_seconds, trim

_MAX_EXACT: Final = 2**53
"""From here on, two whole numbers can be the same float, and a host in JavaScript has already rounded an integer."""


def _invalid(text: str) -> PydanticCustomError:
    return PydanticCustomError("form", "{text}", {"text": text})


def _text_or_number(example: str) -> Callable[[object], str]:
    """Create a validator that accepts text and whole numbers; `example` is the text that its message shows."""
    expected = f"must be a string, for example {example}"

    def read(value: object) -> str:
        match value:
            case str():
                return trim(value)
            case bool():
                pass
            case int() | float():
                if abs(value) < _MAX_EXACT and value == int(value):
                    return str(int(value))
                raise _invalid(
                    f"{expected}; a number must be whole and below 2^53, or it is not exact; pass it as a string"
                )
        raise _invalid(expected)

    return read


def _text(value: object) -> str:
    if isinstance(value, str):
        return trim(value)
    raise _invalid("must be a string")


def _seconds(value: object) -> int | None:
    if _is_absent(value):
        return None
    seconds = read_seconds(value)
    if seconds is None:
        raise _invalid(NOT_SECONDS)
    return seconds


def _is_absent(value: object) -> bool:
    """Return whether an optional parameter is absent: some hosts send an empty string or "null" for it."""
    return value is None or (isinstance(value, str) and value.strip() in ("", "null"))


def _parse_if_json(value: object, name: str) -> object:
    """Return `value`, or its content if it is a JSON string, as some hosts send objects, arrays and what is absent."""
    while isinstance(value, str) and not _is_absent(value):  # some hosts encode them twice
        try:
            value = parse_json(value)
        except NestedTooDeeplyError:
            raise _invalid(f"is nested too deeply; the maximum is {MAX_DEPTH} levels; flatten it") from None
        except TooManyElementsError:
            raise _invalid(f"contains more than {MAX_ELEMENTS} elements, which is the maximum") from None
        except ValueError:
            raise _invalid(f"must be {name}; the string is not valid JSON") from None
    return value


def _object(value: object) -> dict[str, Any] | None:
    parsed = _parse_if_json(value, "a JSON object")
    if _is_absent(parsed):
        return None
    if parsed == []:  # PHP encodes an empty object so
        return {}
    if not isinstance(parsed, dict):
        raise _invalid("must be a JSON object")
    return parsed


def _array(value: object) -> list[Any]:
    parsed = _parse_if_json(value, "an array of strings")
    if not isinstance(parsed, list):
        raise _invalid('must be an array of strings, for example ["1042"]')
    if len(parsed) > limits.SEGMENT_IDS_PER_CALL:  # before each of them is read
        raise _invalid(f"contains {len(parsed)} ids; pass 1 to {limits.SEGMENT_IDS_PER_CALL} ids per call")
    return parsed


def _ids(value: object, validate: ValidatorFunctionWrapHandler) -> list[str]:
    """Read ids as `validate` does, but at once if they are text in ASCII without white space, as nearly all are."""
    ids = _array(value)
    try:
        text = "".join(ids)
    except TypeError:  # some are not text
        text = " "
    if text.isascii() and not any(space in text for space in " \t\n\r"):
        return ids
    read: list[str] = validate(ids)
    return read


def one_of(choices: type[EventType | IdType], default: IdType | None) -> Callable[[object], object]:
    """Create a validator that accepts the exact values of `choices`; `default` replaces an absent one."""
    accepted = ", ".join(choices)

    def choose(value: object) -> object:
        if _is_absent(value):
            return default
        if isinstance(value, str) and value in list(choices):
            return choices(value)
        raise _invalid(f"must be one of {accepted}")

    return choose


Identifier = Annotated[str, BeforeValidator(_text_or_number("1042"))]
EventName = Annotated[str, BeforeValidator(_text_or_number("purchase"))]
Text = Annotated[str, BeforeValidator(_text)]
Seconds = Annotated[int | None, BeforeValidator(_seconds), WithJsonSchema({"type": "integer"})]
# `additionalProperties` is a schema, which accepts anything: a boolean breaks google-genai
# (https://github.com/googleapis/python-genai/issues/2393), and without it, pydantic-ai closes the object for OpenAI.
JsonObject = Annotated[
    dict[str, Any] | None,
    BeforeValidator(_object),
    WithJsonSchema({"type": "object", "additionalProperties": {}}),
]
Identifiers = Annotated[list[Identifier], WrapValidator(_ids)]
