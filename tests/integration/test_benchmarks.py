"""The benchmarks run. Their results are not checked."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

# Rows by the start of their first cell. What the output contains besides rows of the table is below.
ROWS: Final = {
    "start": {"stdio, start to": 2, "`--help`": 1, "`--version`": 1},
    "stdio": {"stdio, 32 in flight": 4, "stdio, ": 6},
    "http": {"HTTP, protocol 2026-07-28": 11, "HTTP, protocol 2025-11-25": 8},
    "large": {"stdio, a 1000-id segment call": 1, "stdio, a 100 kB event": 1},
    "controls": {
        "stdio, no feature for safe writes": 2,
        "stdio, all features for safe writes": 2,
        "stdio, ": 10,
        "HTTP, protocol 2026-07-28, all features for safe writes": 2,
        "HTTP, ": 7,
    },
    "memory": {"resident memory": 3},
}


def run(*arguments: str, timeout: float = 300) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "benchmarks", *arguments],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=timeout,
        check=False,
    )


@pytest.mark.parametrize("case", ROWS)
def test_a_benchmark_prints_a_row_for_each_measurement(case: str) -> None:
    ended = run("--quick", case)
    assert ended.returncode == 0, ended.stderr
    cells = [line.split("|")[1].strip() for line in ended.stdout.splitlines() if line.startswith("|")]
    assert cells[:2] == ["case", "---"]
    found = {start: sum(cell.startswith(start) for cell in cells) for start in ROWS[case]}
    assert found == ROWS[case]
    assert ended.stderr == f"measuring: {case}\n"


def test_growth_is_fitted_and_layers_and_the_sdk_are_tables_of_their_own() -> None:
    ended = run("--quick", "growth", "parts", "upstream")
    assert ended.returncode == 0, ended.stderr
    for unit in ("attribute", "id", "byte of an event"):
        assert f"s per {unit}; it explains" in ended.stdout
    for row in ("| log record, not written |", "| the span of a request,", "| an echo of a message over stdio |"):
        assert row in ended.stdout


def test_unknown_case_is_reported() -> None:
    ended = run("nonsense", timeout=60)
    assert ended.returncode == 2
    assert "unknown case: nonsense; choose from start, stdio, http" in ended.stderr
