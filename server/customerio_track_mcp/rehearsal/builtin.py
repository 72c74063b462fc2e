"""The scenarios that ship with the package: which there are, and in which order they run."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Final

_NAMES: Final = (
    "new-customer",
    "import-table",
    "segment-list",
    "oversized-note",
    "identity-conflict",
    "consent",
    "busy-api",
    "unknown-outcome",
    "injected-attribute",
    "injected-event",
)


def builtin_scenarios() -> Mapping[str, Path]:
    """Return the file of each scenario that ships, by its name, in the order in which they run."""
    folder = Path(str(files(__package__) / "scenarios"))
    return {name: folder / f"{name}.yaml" for name in _NAMES}
