"""The fuzzer finds nothing in this server, and finds bugs in others."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from fuzz.__main__ import fuzz
from tests.support.broken_server import BUGS

ROOT = Path(__file__).parents[2]


def run_fuzz(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "fuzz", *arguments],
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        timeout=300,
        check=False,
    )


def test_nothing_is_found_over_any_transport_with_any_protocol() -> None:
    completed = run_fuzz("--seed", "11", "--count", "400")
    assert completed.returncode == 0, completed.stdout + completed.stderr
    lines = completed.stdout.splitlines()
    assert [line.split(",")[0] for line in lines] == [
        "stdio-2025-11-25",
        "stdio-2026-07-28",
        "http-2025-11-25",
        "http-2026-07-28",
    ]
    assert all("seed 11: 400 calls and" in line and line.endswith(" 0 findings") for line in lines)


def test_a_random_seed_is_printed() -> None:
    completed = run_fuzz("stdio-2025-11-25", "--count", "10")
    assert completed.returncode == 0, completed.stdout + completed.stderr
    seed = completed.stderr.splitlines()[0].removeprefix("seed ")
    assert f"stdio-2025-11-25, seed {seed}: 10 calls" in completed.stdout


def test_unknown_case_is_reported() -> None:
    completed = run_fuzz("stdio-2024-11-05")
    assert completed.returncode == 2
    assert "unknown case: stdio-2024-11-05; choose from stdio-2025-11-25, " in completed.stderr


@pytest.mark.parametrize("bug", BUGS)
async def test_a_bug_is_found_and_shown_with_the_message(bug: str) -> None:
    command = [sys.executable, str(ROOT / "tests" / "support" / "broken_server.py"), bug]
    findings = await fuzz("stdio-2025-11-25", 1, calls=5, command=command)
    assert bug in "\n".join(findings.found), str(findings)
