"""Timestamps must be whole UNIX seconds."""

from __future__ import annotations

import time

import pytest

from customerio_track_mcp.track.validation.timestamps import timestamp_problems

YEAR = 366 * 24 * 3600


def test_seconds_up_to_a_year_ahead_are_accepted() -> None:
    now = int(time.time())
    for seconds in (0, 1, 1_700_000_000, now, now + YEAR - 60):
        assert timestamp_problems("created_at", seconds) == []


@pytest.mark.parametrize(
    ("per_second", "unit"), [(1000, "milliseconds"), (10**6, "microseconds"), (10**9, "nanoseconds")]
)
@pytest.mark.parametrize("seconds", [100_000_000, 1_672_560_000])
def test_finer_unit_is_reported_with_the_value_in_seconds(seconds: int, per_second: int, unit: str) -> None:
    value = seconds * per_second + 7
    (problem,) = timestamp_problems("created_at", value)
    assert f"{value} looks like {unit}; pass seconds ({seconds}, " in problem.text


def test_far_future_and_time_before_1970_are_reported() -> None:
    now = int(time.time())
    (future,) = timestamp_problems("created_at", now + YEAR + 60)
    assert "far future" in future.text
    (absurd,) = timestamp_problems("created_at", 10**40)
    assert "far future" in absurd.text
    (past,) = timestamp_problems("created_at", -1)
    assert "before 1970" in past.text
