"""Fixtures for the files of hosts."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

NOBODY: Final = 65534


@pytest.fixture
def unprivileged(tmp_path: Path) -> Iterator[None]:
    """Lose the permissions of root, who may write everything."""
    if os.name != "posix" or os.geteuid() != 0:
        yield
        return
    for folder in [tmp_path, *tmp_path.parents]:
        if not folder.stat().st_mode & 0o001:
            folder.chmod(stat.S_IMODE(folder.stat().st_mode) | 0o011)
    os.chown(tmp_path, NOBODY, NOBODY)
    os.seteuid(NOBODY)
    yield
    os.seteuid(0)
