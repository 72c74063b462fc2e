"""Plain technical English (CONTRIBUTING.md, "Style"), as far as a search can check it."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
# Written in parts, so that this file does not contain what it searches for.
AVOIDED: Final = {
    "report, return, raise or print": rf"\b(to{'ld'}|tel{'ls?'})\b",
    "must": rf"\b(has|have|had|having) {'to'}\b",
    "is not a": rf"\bis {'no'} [a-z]+\b(?<!longer)",
}


def tracked_files() -> list[str]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],  # noqa: S607
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    return [name for name in listed.stdout.splitlines() if (ROOT / name).is_file()]


@pytest.mark.skipif(not (ROOT / ".git").exists(), reason="not a git checkout")
@pytest.mark.parametrize("instead", AVOIDED)
def test_no_file_contains_an_avoided_phrase(instead: str) -> None:
    found = []
    for name in tracked_files():
        try:
            text = (ROOT / name).read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        for number, line in enumerate(text.splitlines(), start=1):
            if re.search(AVOIDED[instead], line, re.IGNORECASE):
                found.append(f"{name}:{number}: {line.strip()[:100]}")
    assert found == [], f"write {instead!r} instead"
