"""The order of the test modules."""

from __future__ import annotations

from pathlib import Path

from tests.conftest import LONGEST


def test_modules_that_run_first_exist() -> None:
    assert {name for name in LONGEST if not list(Path(__file__).parent.rglob(f"{name}.py"))} == set()
