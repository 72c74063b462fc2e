"""What one process counts, on a clock of the test's own."""

from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st

from customerio_track_mcp.control.quotas.base import Permit, Shortage, Unit
from customerio_track_mcp.control.quotas.local import LocalCounters

HOUR = 3600


class Clock:
    """Seconds since some start."""

    def __init__(self, start: float = 0) -> None:
        self.now = start

    def __call__(self) -> float:
        return self.now


PAUSES = (
    st.sampled_from([0, 1, 59, 60, 61, HOUR - 61, HOUR - 60, HOUR - 59, HOUR - 1, HOUR, HOUR + 60])
    | st.integers(0, 300)
    | st.floats(0, 2 * HOUR)
)
CALLS = st.lists(st.tuples(PAUSES, st.integers(1, 4), st.booleans()), min_size=2, max_size=60)
"""Seconds since the call before, its units, and whether it gives them back."""


@given(maximum=st.integers(1, 6), start=st.floats(0, 10 * HOUR), calls=CALLS)
@example(maximum=1, start=0, calls=[(1, 1, False), (HOUR - 1, 1, False)])
async def test_no_hour_contains_more_than_the_maximum(
    maximum: int, start: float, calls: list[tuple[float, int, bool]]
) -> None:
    clock = Clock(start)
    counters = LocalCounters({Unit.PEOPLE: maximum}, clock=clock)
    counted: list[tuple[float, int]] = []

    def used(seconds: float) -> int:
        return sum(amount for time, amount in counted if time > clock.now - seconds)

    for pause, amount, fails in calls:
        clock.now += pause
        decision = await counters.take(Unit.PEOPLE, amount)
        if isinstance(decision, Shortage):
            # Nothing is refused that even 61 minutes have room for, and a refusal takes nothing.
            assert used(HOUR + 60) + amount > maximum
            assert used(HOUR) <= decision.used <= used(HOUR + 60)
            assert (decision.seconds == 0) == (amount > maximum)
        elif fails:
            await counters.give_back(decision)
        else:
            counted.append((clock.now, amount))
        assert used(HOUR) <= maximum


@settings(max_examples=40)
@given(maximum=st.integers(1, 6), start=st.floats(0, 10 * HOUR), calls=CALLS)
async def test_refused_call_passes_after_the_time_that_the_refusal_names(
    maximum: int, start: float, calls: list[tuple[float, int, bool]]
) -> None:
    clock = Clock(start)
    counters = LocalCounters({Unit.EVENTS: maximum}, clock=clock)
    for pause, amount, _ in calls:
        clock.now += min(pause, 600)
        refusal = await counters.take(Unit.EVENTS, amount)
        if isinstance(refusal, Shortage) and refusal.seconds:
            assert refusal.seconds <= HOUR + 61
            clock.now += refusal.seconds - 2
            assert isinstance(await counters.take(Unit.EVENTS, amount), Shortage)
            clock.now += 2
            assert isinstance(await counters.take(Unit.EVENTS, amount), Permit)


async def test_units_are_counted_separately() -> None:
    counters = LocalCounters({Unit.EVENTS: 1, Unit.PEOPLE: 2}, clock=Clock())
    assert isinstance(await counters.take(Unit.EVENTS, 1), Permit)
    assert isinstance(await counters.take(Unit.PEOPLE, 2), Permit)
    assert isinstance(await counters.take(Unit.EVENTS, 1), Shortage)


async def test_memory_does_not_grow_with_units_or_time() -> None:
    clock = Clock()
    counters = LocalCounters({Unit.EVENTS: 10**9}, clock=clock)
    for _ in range(1000):
        assert isinstance(await counters.take(Unit.EVENTS, 1000), Permit)
        clock.now += 30
    assert len(counters._windows[Unit.EVENTS]._units) <= 61


async def test_units_of_a_minute_that_has_passed_are_not_given_back_twice() -> None:
    clock = Clock()
    counters = LocalCounters({Unit.EVENTS: 2}, clock=clock)
    permit = await counters.take(Unit.EVENTS, 1)
    assert isinstance(permit, Permit)
    clock.now += 2 * HOUR
    assert isinstance(await counters.take(Unit.EVENTS, 2), Permit)
    await counters.give_back(permit)
    assert isinstance(await counters.take(Unit.EVENTS, 1), Shortage)
