"""Timestamps must be whole UNIX seconds."""

from __future__ import annotations

import time
from datetime import UTC, date, datetime

import pytest

from customerio_track_mcp.track import NOT_SECONDS
from customerio_track_mcp.track.validation.timestamps import time_problems, timestamp_problems

YEAR = 366 * 24 * 3600
EARLIEST = 946_684_800  # 2000-01-01T00:00:00Z


def test_seconds_up_to_a_year_ahead_are_accepted() -> None:
    now = int(time.time())
    for seconds in (EARLIEST, 1_700_000_000, now, now + YEAR - 60):
        assert timestamp_problems("created_at", seconds) == []


@pytest.mark.parametrize(
    ("per_second", "unit"), [(1000, "milliseconds"), (10**6, "microseconds"), (10**9, "nanoseconds")]
)
@pytest.mark.parametrize("seconds", [EARLIEST, 1_672_560_000])
def test_finer_unit_is_reported_with_the_value_in_seconds(seconds: int, per_second: int, unit: str) -> None:
    value = seconds * per_second + 7
    (problem,) = timestamp_problems("created_at", value)
    assert f"{value} looks like {unit}; pass seconds ({seconds}, " in problem.text


def test_far_future_is_reported() -> None:
    now = int(time.time())
    (future,) = timestamp_problems("created_at", now + YEAR + 60)
    assert "far future" in future.text
    (absurd,) = timestamp_problems("created_at", 10**40)
    assert "far future" in absurd.text


@pytest.mark.parametrize("seconds", [EARLIEST - 1, 20_260_101, 1, 0, -1, -(10**40)])
def test_time_before_2000_is_reported_as_a_filler(seconds: int) -> None:
    (problem,) = timestamp_problems("created_at", seconds)
    assert problem.text.startswith("is before 2000-01-01 (0 is 1970-01-01, not an unknown time); pass whole UNIX ")
    assert problem.text.endswith(", or omit it")


@pytest.mark.parametrize(
    "value",
    [1_700_000_000.0, 1_700_000_000.5, float("nan"), "1700000000", "2026-01-01", True, b"1", [], date(2026, 1, 1)],
)
def test_only_an_integer_is_a_time(value: object) -> None:
    assert [problem.text for problem in time_problems("timestamp", value)] == [NOT_SECONDS]


@pytest.mark.parametrize("moment", [datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1)])
def test_datetime_is_reported_with_its_conversion(moment: datetime) -> None:
    (problem,) = time_problems("timestamp", moment)
    assert problem.text == f"is a datetime; it {NOT_SECONDS}: pass int(moment.timestamp())"


def test_integer_must_be_within_the_accepted_times() -> None:
    assert time_problems("timestamp", 1_700_000_000) == []
    for seconds in (0, 1_700_000_000_000):
        assert time_problems("timestamp", seconds) == timestamp_problems("timestamp", seconds) != []
