"""Measure what a tool call costs, and print the results as Markdown. Progress goes to stderr."""

from __future__ import annotations

import argparse
import asyncio
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from benchmarks.controls import controls
from benchmarks.footprint import memory, start
from benchmarks.growth import growth
from benchmarks.parts import parts
from benchmarks.report import Report
from benchmarks.rounds import Effort
from benchmarks.shares import shares
from benchmarks.throughput import clients, http, large, stdio
from benchmarks.upstream_costs import upstream

CASES: Final[Mapping[str, Callable[[Report, Effort], Awaitable[None]]]] = {
    case.__name__: case
    for case in (start, stdio, http, large, controls, clients, memory, growth, parts, shares, upstream)
}


async def _main() -> None:
    parser = argparse.ArgumentParser(prog="benchmarks", description=__doc__)
    parser.add_argument("case", nargs="*", help=f"cases to run: {', '.join(CASES)}; default: all of them")
    parser.add_argument("--quick", action="store_true", help="run few and short rounds, to check that everything works")
    options = parser.parse_args()
    if unknown := set(options.case) - set(CASES):
        parser.error(f"unknown case: {', '.join(sorted(unknown))}; choose from {', '.join(CASES)}")
    effort = Effort(rounds=1, seconds=0.1, calls=500) if options.quick else Effort()
    report = Report()
    for name in options.case or CASES:
        print(f"measuring: {name}", file=sys.stderr)
        await CASES[name](report, effort)
    print(report)


if __name__ == "__main__":
    asyncio.run(_main())
