"""UNIX timestamps: whole seconds, the only unit that Customer.io reads."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from customerio_track_mcp.track.errors import Problem

_FINER_UNITS = (("nanoseconds", 10**9), ("microseconds", 10**6), ("milliseconds", 10**3))
_LATEST_AHEAD_SECONDS = 366 * 24 * 3600
_EARLIEST_PLAUSIBLE = 10**8  # March 1973: older than any customer record, so a finer unit can't hide below it


def timestamp_problems(parameter: str, seconds: int) -> list[Problem]:
    """What is wrong with `seconds` as the time of something that has happened.

    Args:
        parameter: the name to give the problem.
        seconds: seconds since 1970-01-01T00:00:00Z.

    Returns:
        No problem from 0 up to one year ahead of now. Beyond that, one problem that says what the value would
        be in seconds where it reads as a time in milliseconds, microseconds or nanoseconds.
    """
    now = int(time.time())
    latest = now + _LATEST_AHEAD_SECONDS
    if 0 <= seconds <= latest:
        return []
    allowed = f"allowed are whole UNIX seconds from 0 to one year ahead of now (now is {now})"
    if seconds < 0:
        return [Problem(parameter, f"lies before 1970; {allowed}")]
    for unit, per_second in _FINER_UNITS:
        if _EARLIEST_PLAUSIBLE <= seconds // per_second <= latest:
            in_seconds = seconds // per_second
            day = datetime.fromtimestamp(in_seconds, UTC).date().isoformat()
            return [Problem(parameter, f"is in {unit}; in seconds it is {in_seconds} ({day}); {allowed}")]
    return [Problem(parameter, f"lies in the far future; {allowed}")]
