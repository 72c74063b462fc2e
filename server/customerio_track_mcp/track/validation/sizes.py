"""The size of a JSON value, in a time that depends on a limit and not on the value."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final

from customerio_track_mcp.track.validation.text import LONE_SURROGATE

MAX_INTEGER_BITS: Final = 14_000  # Python prints integers of up to 4300 digits

_MIN_MEMBER_BYTES: Final = 5  # two quotes, a colon, a digit, and a comma or a bracket
_MAX_BITS_PER_DIGIT: Final = 4  # so that no size is overestimated
_DEEP: Final = 100
_TOO_DEEP: Final = "is nested too deeply; flatten it"


def encode(value: object) -> bytes:
    """Return `value` as compact JSON in UTF-8, the form in which everything is sent.

    Raises:
        ValueError: it contains NaN, an infinity, a lone surrogate, an integer too long for Python to print, or a
            reference to itself.
        TypeError: it contains something that JSON cannot represent.
        RecursionError: it is nested too deeply.
    """
    return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()


def json_size(value: object) -> int | str:
    """Return the size of `value` in bytes of JSON, or why it is not valid JSON."""
    try:
        return len(encode(value))
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
    """Return why `value` is certainly larger than `max_bytes` bytes of JSON; empty if that is not certain.

    At most `max_bytes` parts of it are examined. What is not certainly larger has no more than six times as many bytes,
    since only the escapes of characters are not counted.
    """
    size = depth = 0
    level = [value]
    while level:
        below: list[object] = []
        for part in level:
            if isinstance(part, str):
                size += len(part) + 2
            elif isinstance(part, int):
                bits = part.bit_length()
                size += 1 + (bits // _MAX_BITS_PER_DIGIT if bits < MAX_INTEGER_BITS else 0)
            elif isinstance(part, list | tuple):
                size += 1 + len(part)
                if size <= max_bytes:
                    below += part
            elif isinstance(part, dict | Mapping):  # each member has two quotes, a colon, and a comma or a bracket
                size += 1 + 4 * len(part)
                if size <= max_bytes:
                    size += sum(len(name) for name in part if isinstance(name, str))
                    below += part.values()
            else:
                size += 1
            if size > max_bytes:
                larger = f"is larger than the maximum of {max_bytes} bytes of JSON"
                return f"{larger}, and is nested too deeply; flatten it" if depth > _DEEP else larger
        level, depth = below, depth + 1
    return ""
