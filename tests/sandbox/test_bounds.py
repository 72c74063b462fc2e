"""What the sandbox keeps, accepts and waits for at most is documented."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

import pytest

from customerio_track_mcp.sandbox import bounds

DOCUMENT: Final = Path(__file__).parents[2] / "docs" / "sandbox.md"
BOUNDS: Final = {
    name: value
    for name, value in vars(bounds).items()
    if name.endswith("_BYTES") or name.startswith("MAX_") or "_SECONDS" in name
}


def written(name: str, value: int) -> str:
    """Write a number as the document does."""
    if name.endswith("_BYTES"):
        return f"{value >> 20} MiB" if value % 2**20 == 0 else f"{value >> 10} KiB"
    return f"{value} s" if name.endswith("_SECONDS") else f"{value:,}".replace(",", " ")


@pytest.mark.parametrize("name", sorted(BOUNDS))
def test_document_lists_every_bound_with_its_number(name: str) -> None:
    (row,) = re.findall(rf"^\| `{name}` \|.*$", DOCUMENT.read_text(encoding="utf-8"), re.MULTILINE)
    assert f"| {written(name, BOUNDS[name])} |" in row
