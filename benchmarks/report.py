"""What was measured, as a table in Markdown."""

from __future__ import annotations

import os
import platform
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final

from benchmarks.load import Sample

_PACKAGES: Final = ("mcp", "httpx", "aiohttp", "pydantic", "uvicorn", "customerio", "async-customerio")


@dataclass(frozen=True, slots=True)
class Target:
    """What a ratio has to be.

    Attributes:
        bound: the ratio.
        at_least: whether it is the least; otherwise the most.
    """

    bound: float
    at_least: bool = True

    def __str__(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {self.bound:g}"

    def reached(self, ratio: float) -> bool:
        """Whether `ratio` is good enough."""
        return ratio >= self.bound if self.at_least else ratio <= self.bound


@dataclass(frozen=True, slots=True)
class Row:
    """A line of the table.

    Attributes:
        case: what was done.
        reference: what it is compared with.
        ratios: this server's figure by the reference's, one for each round.
        target: what the median has to be; None where nothing is asked.
        figures: the absolute figures, for orientation.
    """

    case: str
    reference: str
    ratios: Sequence[float]
    target: Target | None = None
    figures: str = ""

    def __str__(self) -> str:
        median = statistics.median(self.ratios)
        spread = f"{_short(min(self.ratios))} to {_short(max(self.ratios))}"
        mark = "" if self.target is None else f"{self.target} {'✓' if self.target.reached(median) else '✗'}"
        return f"| {self.case} | {self.reference} | **{_short(median)}** | {spread} | {mark} | {self.figures} |"


@dataclass(slots=True)
class Report:
    """The rows so far."""

    rows: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        head = ["| case | compared with | ratio | spread | target | this server; the reference |", f"|{' --- |' * 6}"]
        return "\n".join([_machine(), "", *(head if self.rows else []), *map(str, self.rows), "", *self.notes])


def ratios(ours: Iterable[Sample], theirs: Iterable[Sample], of: Callable[[Sample], float]) -> list[float]:
    """One figure by the other, round by round."""
    return [of(one) / of(other) for one, other in zip(ours, theirs, strict=True)]


def told(samples: Sequence[Sample]) -> str:
    """The medians of some rounds in words."""
    rate = statistics.median(sample.rate for sample in samples)
    p50 = statistics.median(sample.p50 for sample in samples) * 1000
    p99 = statistics.median(sample.p99 for sample in samples) * 1000
    cpu = statistics.median(sample.cpu for sample in samples) * 1000
    return f"{rate:.0f}/s, p50 {p50:.1f} ms, p99 {p99:.1f} ms, processor {cpu:.2f} ms"


def _short(ratio: float) -> str:
    return f"{ratio:.3g}" if ratio < 100 else f"{ratio:.0f}"


def _machine() -> str:
    packages = ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
    return (
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC; {_processor()}, {os.cpu_count()} cores, {platform.system()} "
        f"{platform.release()}; Python {platform.python_version()}; {packages}."
    )


def _processor() -> str:
    told = Path("/proc/cpuinfo")
    names = told.read_text().splitlines() if told.exists() else []
    return next((line.partition(": ")[2] for line in names if line.startswith("model name")), platform.machine())
