"""The results as a Markdown table."""

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

_PACKAGES: Final = ("mcp", "httpx", "aiohttp", "pydantic", "uvicorn", "httptools", "customerio", "async-customerio")

NO_OP_TOOL: Final = "the SDK's no-op tool"
"""The baseline of most rows."""


@dataclass(frozen=True, slots=True)
class Target:
    """The required value of a ratio.

    Attributes:
        bound: the limit for the ratio.
        at_least: whether `bound` is a minimum; otherwise it is a maximum.
    """

    bound: float
    at_least: bool = True

    def __str__(self) -> str:
        return f"{'≥' if self.at_least else '≤'} {self.bound:g}"

    def is_met(self, ratio: float) -> bool:
        """Return whether `ratio` meets the target."""
        return ratio >= self.bound if self.at_least else ratio <= self.bound


@dataclass(frozen=True, slots=True)
class Row:
    """A row of the table.

    Attributes:
        case: what was measured.
        baseline: what it is compared with.
        ratios: this server's figure divided by the baseline's, for each round.
        target: required of the median; None for no requirement.
        figures: the absolute figures, for orientation.
    """

    case: str
    baseline: str
    ratios: Sequence[float]
    target: Target | None = None
    figures: str = ""

    def __str__(self) -> str:
        median = statistics.median(self.ratios)
        spread = f"{_format_ratio(min(self.ratios))} to {_format_ratio(max(self.ratios))}"
        target = "" if self.target is None else f"{self.target} {'✓' if self.target.is_met(median) else '✗'}"
        return f"| {self.case} | {self.baseline} | **{_format_ratio(median)}** | {spread} | {target} | {self.figures} |"


@dataclass(slots=True)
class Report:
    """The results so far.

    Attributes:
        rows: rows of the table.
        notes: lines to print after the table.
    """

    rows: list[Row] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add_rates(
        self,
        case: str,
        ours: Sequence[Sample],
        baseline_name: str,
        baseline: Sequence[Sample],
        target: Target | None = None,
    ) -> None:
        """Add a row that compares calls per second.

        Args:
            case: what was measured.
            ours: this server's samples.
            baseline_name: what it is compared with.
            baseline: the samples of that, taken in turns with `ours`.
            target: required of the ratio.
        """
        figures = f"{summary(ours)}; {summary(baseline)}"
        rates = ratios(ours, baseline, lambda sample: sample.rate)
        self.rows.append(Row(f"{case}, calls per second", baseline_name, rates, target, figures))

    def __str__(self) -> str:
        head = ["| case | compared with | ratio | spread | target | this server; the baseline |", f"|{' --- |' * 6}"]
        return "\n".join([_machine(), "", *(head if self.rows else []), *map(str, self.rows), "", *self.notes])


def ratios(ours: Iterable[Sample], baseline: Iterable[Sample], figure: Callable[[Sample], float]) -> list[float]:
    """Return the ratio of one figure to the other, for each round."""
    return [figure(one) / figure(other) for one, other in zip(ours, baseline, strict=True)]


def summary(samples: Sequence[Sample]) -> str:
    """Return the medians of `samples`, formatted for the last column of the table."""
    rate = statistics.median(sample.rate for sample in samples)
    p50 = statistics.median(sample.p50 for sample in samples) * 1000
    p99 = statistics.median(sample.p99 for sample in samples) * 1000
    cpu = statistics.median(sample.cpu for sample in samples) * 1000
    return f"{rate:.0f}/s, p50 {p50:.1f} ms, p99 {p99:.1f} ms, CPU {cpu:.2f} ms"


def _format_ratio(ratio: float) -> str:
    return f"{ratio:.3g}" if ratio < 100 else f"{ratio:.0f}"


def _machine() -> str:
    packages = ", ".join(f"{name} {version(name)}" for name in _PACKAGES)
    return (
        f"{datetime.now(UTC):%Y-%m-%d %H:%M} UTC; {_cpu_model()}, {os.cpu_count()} cores, {platform.system()} "
        f"{platform.release()}; Python {platform.python_version()}; {packages}."
    )


def _cpu_model() -> str:
    file = Path("/proc/cpuinfo")
    lines = file.read_text().splitlines() if file.exists() else []
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.machine())
