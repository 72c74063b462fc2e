"""How the cost of a call grows with its size: a linear fit for attributes, ids and bytes."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from typing import Any, Final

from benchmarks.processes import SERVER, environment, responder
from benchmarks.report import Report
from benchmarks.rounds import Effort, ServerWorkload, measure_in_turns
from benchmarks.servers import EVENT, stdio_server, tool_call


@dataclass(frozen=True, slots=True)
class _Series:
    """Calls of one tool that differ in one size.

    Attributes:
        unit: what the size counts.
        tool: the tool's name.
        arguments: returns the arguments of a call of a size.
        sizes: from small to the tool's limit.
    """

    unit: str
    tool: str
    arguments: Callable[[int], Mapping[str, Any]]
    sizes: tuple[int, ...]


def _customer(attributes: int) -> dict[str, object]:
    values = {f"attribute_{number}": f"value {number}" for number in range(attributes)}
    return {"customer_id": "1042", "email": "ann@example.com", "attributes": values}


def _segment(ids: int) -> dict[str, object]:
    return {"segment_id": "7", "customer_ids": [f"customer-{number:05}" for number in range(ids)]}


def _event(characters: int) -> dict[str, object]:
    return {**EVENT, "data": {**EVENT["data"], "text": "x" * characters}}


_SERIES: Final = (
    _Series("attribute", "create_or_update_customer", _customer, (1, 30, 75, 150, 225, 297)),
    _Series("id", "add_customers_to_segment", _segment, (1, 100, 250, 500, 750, 1000)),
    _Series("byte of an event", "send_event", _event, (100, 1000, 25_000, 50_000, 75_000, 99_000)),
)


async def growth(report: Report, effort: Effort) -> None:
    """Measure calls of several sizes, and fit a line: the cost per attribute, per id and per byte.

    The turns are a third of those of other benchmarks: CPU time per call varies less than calls per second.
    """
    effort = replace(effort, seconds=effort.seconds / 3)
    async with AsyncExitStack() as stack:
        env = environment(await stack.enter_async_context(responder()))
        server = await stack.enter_async_context(stdio_server(SERVER, env))
        for series in _SERIES:
            workloads = {
                str(size): ServerWorkload(server, tool_call(series.tool, series.arguments(size)))
                for size in series.sizes
            }
            samples = await measure_in_turns(workloads, 32, effort)
            cpu = {size: statistics.median(sample.cpu for sample in samples[str(size)]) for size in series.sizes}
            report.notes.append(_fit(series.unit, cpu))


def _fit(unit: str, cpu: Mapping[int, float]) -> str:
    """Return the points and the line, in words.

    Args:
        unit: what the sizes count.
        cpu: CPU seconds of a call, by size.
    """
    slope, intercept = statistics.linear_regression(list(cpu), list(cpu.values()))
    r_squared = statistics.correlation(list(cpu), list(cpu.values())) ** 2
    points = ", ".join(f"{size}: {seconds * 1000:.2f} ms" for size, seconds in cpu.items())
    scale, prefix = (1e9, "ns") if slope < 1e-7 else (1e6, "µs")
    return (
        f"CPU time of a call, per {unit}: {points}. Linear fit: {intercept * 1000:.2f} ms plus "
        f"{slope * scale:.2f} {prefix} per {unit}; it explains {r_squared:.1%} of the variance."
    )
