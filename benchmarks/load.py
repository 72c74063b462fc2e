"""Load: a constant number of calls in flight, for a time or up to a total."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

Call = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Sample:
    """One measurement under load. Times are in seconds.

    Attributes:
        rate: calls per second.
        p50: median duration of a call.
        p99: 99th percentile of the duration.
        cpu: CPU time per call of the measured process.
    """

    rate: float
    p50: float
    p99: float
    cpu: float


async def measure(call: Call, in_flight: int, seconds: float, cpu_seconds: Callable[[], float]) -> Sample:
    """Keep `in_flight` calls in flight for `seconds`, after a warm-up of a fifth of that.

    Args:
        call: makes one call, and raises if it fails.
        in_flight: number of concurrent calls.
        seconds: how long to start new calls.
        cpu_seconds: returns the CPU time used so far.
    """
    await _call_until(call, in_flight, time.perf_counter() + seconds / 5)  # connections, caches
    cpu_before, started = cpu_seconds(), time.perf_counter()
    durations = await _call_until(call, in_flight, started + seconds)
    ended = time.perf_counter()
    durations.sort()
    return Sample(
        rate=len(durations) / (ended - started),
        p50=durations[len(durations) // 2],
        p99=durations[len(durations) * 99 // 100],
        cpu=(cpu_seconds() - cpu_before) / len(durations),
    )


async def repeat(call: Call, in_flight: int, total: int) -> None:
    """Make `total` calls, `in_flight` at a time."""
    remaining = iter(range(total))

    async def worker() -> None:
        for _ in remaining:
            await call()

    async with asyncio.TaskGroup() as tasks:
        for _ in range(in_flight):
            tasks.create_task(worker())


async def _call_until(call: Call, in_flight: int, deadline: float) -> list[float]:
    """Return the durations of the calls that were started before `deadline`."""
    durations: list[float] = []

    async def worker() -> None:
        now = time.perf_counter()
        while now < deadline:
            started = now
            await call()
            now = time.perf_counter()
            durations.append(now - started)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(in_flight):
            tasks.create_task(worker())
    return durations
