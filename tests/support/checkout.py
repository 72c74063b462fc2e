"""A copy of the checkout, without what Git ignores, in which a test may install and write."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

from tests.support.documents import ROOT


def copy_checkout(target: Path) -> Path:
    """Copy the files that Git would commit to the folder `target`, as an empty clone contains them.

    Returns:
        The folder.
    """
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],  # noqa: S607
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    for name in listed.stdout.split("\0"):
        if name and (ROOT / name).is_file():
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, target / name)
    return target


def newcomers_environment() -> dict[str, str]:
    """Return the test's environment without what makes Python import from this checkout or measure coverage."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("COVERAGE", "PYTHON", "MAKE"))}
