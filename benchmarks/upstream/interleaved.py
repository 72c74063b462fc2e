"""Measure variants of the same work in turns, and print the CPU time per call of each."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

Run = Callable[[int], Awaitable[None]]
"""Makes as many calls as its argument says."""

_CALLS: Final = 300
_ROUNDS: Final = int(sys.argv[1]) if len(sys.argv) > 1 else 15


async def compare(subject: str, variants: Mapping[str, Run]) -> None:
    """Print the median CPU time per call of each variant, over all threads of this process, as a row of a table.

    Args:
        subject: what is measured; the first cell.
        variants: as the SDK does it, and otherwise.
    """
    seconds: dict[str, list[float]] = {name: [] for name in variants}
    for _ in range(_ROUNDS):
        for name, run in variants.items():
            started = time.process_time()
            await run(_CALLS)
            seconds[name].append((time.process_time() - started) / _CALLS)
    cells = [f"{name}: {statistics.median(times) * 1e6:.1f} µs" for name, times in seconds.items()]
    print(f"| {subject} | {' | '.join(cells)} |")
