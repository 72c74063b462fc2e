"""Validate UNIX timestamps: whole seconds, the only unit that Customer.io reads."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Final

from customerio_track_mcp.track.errors import Problem

_FINER_UNITS: Final = (("nanoseconds", 10**9), ("microseconds", 10**6), ("milliseconds", 10**3))
_MAX_SECONDS_AHEAD: Final = 366 * 24 * 3600
_MIN_PLAUSIBLE: Final = 10**8  # March 1973: older than any customer record, so no finer unit is mistaken for seconds


def timestamp_problems(parameter: str, seconds: int) -> list[Problem]:
    """Validate `seconds` as the time of something that has happened.

    Args:
        parameter: the name to report.
        seconds: seconds since 1970-01-01T00:00:00Z.

    Returns:
        No problem from 0 up to one year ahead of now. Otherwise one problem, with the value in seconds if it looks like
        milliseconds, microseconds or nanoseconds.
    """
    now = int(time.time())
    latest = now + _MAX_SECONDS_AHEAD
    if 0 <= seconds <= latest:
        return []
    accepted = f"pass whole UNIX seconds from 0 to one year ahead of now (now is {now})"
    if seconds < 0:
        return [Problem(parameter, f"is before 1970; {accepted}")]
    for unit, per_second in _FINER_UNITS:
        in_seconds = seconds // per_second
        if _MIN_PLAUSIBLE <= in_seconds <= latest:
            time_text = datetime.fromtimestamp(in_seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
            return [Problem(parameter, f"{seconds} looks like {unit}; pass seconds ({in_seconds}, {time_text})")]
    return [Problem(parameter, f"is in the far future; {accepted}")]
