"""The benchmarks run. Their results are not checked."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def test_benchmarks_print_a_row_for_each_measurement() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--quick", "stdio", "memory", "attributes"],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    cases = [line.split("|")[1].strip() for line in ended.stdout.splitlines() if line.startswith("|")]
    assert cases[:2] == ["case", "---"]
    assert len([case for case in cases if case.startswith("stdio, 32 in flight")]) == 4
    assert len([case for case in cases if case.startswith("resident memory")]) == 3
    assert "µs per attribute" in ended.stdout


def test_unknown_case_is_reported() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "benchmarks", "nonsense"],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 2
    assert "unknown case: nonsense; choose from start, stdio, http" in ended.stderr
