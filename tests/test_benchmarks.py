"""That the benchmarks run; what they find is no matter for a test."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def test_the_benchmarks_fill_their_table() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "benchmarks", "--quick", "stdio", "memory", "attributes"],
        cwd=Path(__file__).parent.parent,
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
    assert "µs for each attribute" in ended.stdout


def test_an_unknown_case_is_told() -> None:
    ended = subprocess.run(
        [sys.executable, "-m", "benchmarks", "nonsense"],
        cwd=Path(__file__).parent.parent,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 2
    assert "no case of that name: nonsense; there are start, stdio, http" in ended.stderr
