"""Every test here starts pytest as a subprocess, and is marked as slow."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.pytest_plugin.projects import Project

FOLDER = Path(__file__).parent


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if FOLDER in item.path.parents:
            item.add_marker(pytest.mark.integration)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A user's project, empty at first."""
    return Project(tmp_path / "project")
