"""Validate UNIX timestamps: whole seconds, the only form in which Customer.io reads a time."""

from __future__ import annotations

import re
import time
from datetime import UTC, datetime
from typing import Final

from customerio_track_mcp.track.errors import Problem
from customerio_track_mcp.track.validation.text import trim

NOT_SECONDS: Final = "must be a whole number of UNIX seconds, for example 1767225600 for 2026-01-01T00:00:00Z"

_MAX_CHARACTERS: Final = 300  # beyond every limit; Python refuses to parse integers of more than 4300 digits
_FINER_UNITS: Final = (("nanoseconds", 10**9), ("microseconds", 10**6), ("milliseconds", 10**3))
_EARLIEST: Final = 946_684_800
"""2000-01-01T00:00:00Z. What is earlier is a filler such as 0, a date such as 20260101, or in another unit."""
_MAX_SECONDS_AHEAD: Final = 366 * 24 * 3600

_LAST_SECOND: Final = 253_402_300_799
"""9999-12-31T23:59:59Z, which many programs use for "never". In milliseconds it is 1978-01-11."""

_TIME_NAME: Final = re.compile(
    r"(?i:(?:.*[ ._-])?(?:date|time|timestamp)|.*[ ._-](?:at|on))|.*[a-z0-9](?:At|On|Date|Time|Timestamp)", re.DOTALL
)
_MONTH: Final = (
    "(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?|oct(?:ober)?"
    "|nov(?:ember)?|dec(?:ember)?)"
)
_DAY: Final = "[0-9]{1,2}(?:st|nd|rd|th)?"
# A date must be followed by nothing, by a time or by a time zone. "12 May Street" is an address.
_TIME_TEXT: Final = re.compile(
    rf"""
      (?:
        [0-9]{{4}}-[0-9]{{2}}                                             # 2026-01
      | [0-9]{{4}}([/.-])[0-9]{{1,2}}\1[0-9]{{1,2}}                        # 2026-01-31, 2026/1/5
      | [0-9]{{1,2}}([/.])[0-9]{{1,2}}\2(?:[0-9]{{2}}){{1,2}}              # 31.01.2026, 1/31/26
      | [0-9]{{1,2}}-[0-9]{{1,2}}-[0-9]{{4}}                              # 31-01-2026
      | (?:19|20)[0-9]{{2}}(?:0[1-9]|1[0-2])[0-3][0-9]                  # 20260131
      | (?:(?:mon|tue|wed|thu|fri|sat|sun)[a-z]{{0,6}},?[ ])?           # Sat, 31 Jan 2026; January 31st, 2026
        (?:{_DAY}[ -]{_MONTH}|{_MONTH}[ ]{{1,2}}{_DAY})(?:[ ,-]{{1,2}}[0-9]{{4}})?
      )
      (?:Z?$|[T ,]{{1,2}}[0-9]{{1,2}}:?[0-9]{{2}}|[+-][0-9]{{2}}:?[0-9]{{2}}$)
    """,
    re.VERBOSE | re.IGNORECASE,
)
_NUMBER: Final = re.compile(r"-?[0-9]{1,20}(?:\.[0-9]{1,20})?(?:[eE]\+?[0-9]{1,2})?")


def read_seconds(value: object) -> int | None:
    """Return `value` as whole seconds if it is an integer, a float without a fraction or a string of digits.

    Anything else, a boolean too, is not a number of seconds: None.
    """
    match value:
        case bool():
            return None
        case int():
            return value
        case float() if value.is_integer():
            return int(value)
        case str() if len(value) <= _MAX_CHARACTERS and (digits := value.strip()).isascii() and digits.isdigit():
            return int(digits)
    return None


def time_problems(parameter: str, value: object) -> list[Problem]:
    """Validate `value` as a time that a program passes: an integer, as `timestamp_problems` accepts it."""
    if isinstance(value, datetime):
        return [Problem(parameter, f"is a datetime; it {NOT_SECONDS}: pass int(moment.timestamp())")]
    if isinstance(value, bool) or not isinstance(value, int):
        return [Problem(parameter, NOT_SECONDS)]
    return timestamp_problems(parameter, value)


def timestamp_problems(parameter: str, seconds: int) -> list[Problem]:
    """Validate `seconds` as the time of something that has happened.

    Args:
        parameter: the name to report.
        seconds: seconds since 1970-01-01T00:00:00Z.

    Returns:
        No problem from 2000-01-01 up to one year ahead of now. Otherwise one problem, with the value in seconds if it
        looks like milliseconds, microseconds or nanoseconds.
    """
    now = int(time.time())
    latest = now + _MAX_SECONDS_AHEAD
    if _EARLIEST <= seconds <= latest:
        return []
    accepted = f"pass whole UNIX seconds from {_EARLIEST} (2000-01-01) to one year ahead of now (now is {now})"
    if seconds < _EARLIEST:
        text = f"is before 2000-01-01 (0 is 1970-01-01, not an unknown time); {accepted}, or omit it"
        return [Problem(parameter, text)]
    for unit, per_second in _FINER_UNITS:
        in_seconds = seconds // per_second
        if _EARLIEST <= in_seconds <= latest:
            time_text = datetime.fromtimestamp(in_seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            return [Problem(parameter, f"{seconds} looks like {unit}; pass seconds ({in_seconds}, {time_text})")]
    return [Problem(parameter, f"is in the far future; {accepted}")]


def is_time_name(name: str) -> bool:
    """Return whether a parameter or an attribute of this name is probably a time, for example `renews_at`."""
    return _TIME_NAME.fullmatch(name) is not None


def is_unreadable_time(value: object) -> bool:
    """Return whether `value` looks like a time that Customer.io does not read as one: milliseconds, or a date as text.

    Args:
        value: an attribute's value, within the limits.
    """
    match value:
        case bool():
            return False
        case int() | float():
            return abs(value) > _LAST_SECOND
        case str():
            text = trim(value)
            if _NUMBER.fullmatch(text) and abs(float(text)) > _LAST_SECOND:
                return True
            return _TIME_TEXT.match(text) is not None
    return False
