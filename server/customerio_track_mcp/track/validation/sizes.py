"""The size of a JSON value, in a time that depends on a limit and not on the value."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from pydantic_core import to_json

from customerio_track_mcp.track.validation.text import LONE_SURROGATE

MAX_INTEGER_BITS: Final = 14_000  # Python prints integers of up to 4300 digits

_MIN_MEMBER_BYTES: Final = 5  # two quotes, a colon, a digit, and a comma or a bracket
_MAX_BITS_PER_DIGIT: Final = 4  # so that no size is overestimated
_DEEP: Final = 100
_KINDS: Final[Mapping[type, type]] = {
    str: str,
    int: int,
    float: float,
    bool: type(None),
    type(None): type(None),
    list: list,
    tuple: list,
    dict: dict,
}
"""The types of plain values, each with the type as which it is examined."""
_MAX_PLAIN_BITS: Final = 63
_MIN_PLAIN_FLOAT: Final = 1e-4  # Python writes smaller and larger ones with an exponent
_MAX_PLAIN_FLOAT: Final = 1e16
_TOO_DEEP: Final = "is nested too deeply; flatten it"
_encode: Final = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode


class Examined(NamedTuple):
    """What `examine` finds out about a value.

    Attributes:
        too_large: why it is certainly larger than the limit, as the predicate of a sentence; empty if that is not
            certain.
        is_plain: whether it consists of what a JSON parser returns, without numbers that can be written in several
            ways. Unless it is too large, every part of it has been examined.
    """

    too_large: str
    is_plain: bool


def encode(value: object, *, is_plain: bool = False) -> bytes:
    """Return `value` as compact JSON in UTF-8, the form in which everything is sent.

    Args:
        value: the value to encode.
        is_plain: whether `examine` has found that it is plain, so that a faster encoder returns the same.

    Raises:
        ValueError: it contains NaN, an infinity, a lone surrogate, an integer too long for Python to print, or a
            reference to itself.
        TypeError: it contains something that JSON cannot represent.
        RecursionError: it is nested too deeply.
    """
    if is_plain:
        try:
            return to_json(value)
        except ValueError:  # a lone surrogate, or nested too deeply for this encoder
            pass
    return _encode(value).encode()


def encode_or_explain(value: object, *, is_plain: bool) -> bytes | str:
    """Return `value` as `encode` does, or why it is not valid JSON."""
    try:
        return encode(value, is_plain=is_plain)
    except UnicodeEncodeError:
        return LONE_SURROGATE
    except RecursionError:
        return _TOO_DEEP
    except ValueError:
        return "is not a number that can be sent; pass a finite number of up to 4300 digits, or null"
    except TypeError:
        return "is not a JSON value; pass text, a number, true, false, null, an array or an object"


def names_fit(members: Mapping[str, object], max_bytes: int) -> bool:
    """Return whether the names in an object are not certainly larger than `max_bytes` bytes of JSON together."""
    return len(members) * _MIN_MEMBER_BYTES <= max_bytes and sum(map(len, members)) <= max_bytes


def too_large(value: object, max_bytes: int) -> str:
    """Return why `value` is certainly larger than `max_bytes` bytes of JSON; empty if that is not certain."""
    return examine(value, max_bytes).too_large


def examine(value: object, max_bytes: int) -> Examined:
    """Examine the parts of `value`, at most `max_bytes` of them.

    What is not certainly larger than `max_bytes` bytes of JSON has no more than six times as many bytes, since only the
    escapes of characters are not counted.
    """
    size = depth = 0
    is_plain = True
    level: list[Any] = [value]
    while level:
        below: list[Any] = []
        for part in level:
            kind = _KINDS.get(type(part))
            if kind is None:
                is_plain, kind = False, _kind_of(part)
            if kind is str:
                size += len(part) + 2
            elif kind is int:
                bits = part.bit_length()
                size += 1 + (bits // _MAX_BITS_PER_DIGIT if bits < MAX_INTEGER_BITS else 0)
                if bits > _MAX_PLAIN_BITS:
                    is_plain = False
            elif kind is dict:  # each member has two quotes, a colon, and a comma or a bracket
                size += 1 + 4 * len(part)
                if size <= max_bytes:
                    for name in part:
                        if isinstance(name, str):
                            size += len(name)
                        if type(name) is not str:
                            is_plain = False
                    below += part.values()
            elif kind is list:
                size += 1 + len(part)
                if size <= max_bytes:
                    below += part
            else:
                size += 1
                if kind is float and not (_MIN_PLAIN_FLOAT <= abs(part) < _MAX_PLAIN_FLOAT or part == 0):
                    is_plain = False
            if size > max_bytes:
                larger = f"is larger than the maximum of {max_bytes} bytes of JSON"
                return Examined(f"{larger}, and is nested too deeply; flatten it" if depth > _DEEP else larger, False)
        level, depth = below, depth + 1
    return Examined("", is_plain)


def _kind_of(value: object) -> type:
    """Return the type as which a value of another type is encoded; None's if there is none."""
    if isinstance(value, str):
        return str
    if isinstance(value, int):
        return int
    if isinstance(value, list | tuple):
        return list
    return dict if isinstance(value, Mapping) else type(None)
