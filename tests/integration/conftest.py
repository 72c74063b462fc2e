"""Everything in this folder starts subprocesses, and is marked as slow."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

# They use POSIX signals, process groups and descriptors.
collect_ignore_glob = ["*.py"] if sys.platform == "win32" else []

FOLDER = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if FOLDER in item.path.parents:
            item.add_marker(pytest.mark.integration)
