"""Load: so many calls in flight for so long, each followed by the next."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

Call = Callable[[], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Sample:
    """What was seen under load. Times are in seconds.

    Attributes:
        rate: calls per second.
        p50: the median time of a call.
        p99: the time within which 99 of 100 calls ended.
        cpu: processor time for each call in the process under measurement.
    """

    rate: float
    p50: float
    p99: float
    cpu: float


async def drive(call: Call, in_flight: int, seconds: float, cpu_seconds: Callable[[], float]) -> Sample:
    """Keep `in_flight` calls going for `seconds`.

    Args:
        call: makes one call; it raises where the answer is not a success.
        in_flight: how many at a time.
        seconds: how long new calls are begun.
        cpu_seconds: the processor time that is counted.
    """
    await _repeat(call, in_flight, time.perf_counter() + seconds / 5)  # connections, caches
    cpu, began = cpu_seconds(), time.perf_counter()
    taken = await _repeat(call, in_flight, began + seconds)
    ended = time.perf_counter()
    taken.sort()
    return Sample(
        rate=len(taken) / (ended - began),
        p50=taken[len(taken) // 2],
        p99=taken[len(taken) * 99 // 100],
        cpu=(cpu_seconds() - cpu) / len(taken),
    )


async def repeat(call: Call, in_flight: int, number: int) -> None:
    """Make `number` calls, `in_flight` at a time."""
    left = iter(range(number))

    async def slot() -> None:
        for _ in left:
            await call()

    async with asyncio.TaskGroup() as tasks:
        for _ in range(in_flight):
            tasks.create_task(slot())


async def _repeat(call: Call, in_flight: int, until: float) -> list[float]:
    taken: list[float] = []

    async def slot() -> None:
        now = time.perf_counter()
        while now < until:
            began = now
            await call()
            now = time.perf_counter()
            taken.append(now - began)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(in_flight):
            tasks.create_task(slot())
    return taken
