"""Arrays in arrays."""

from __future__ import annotations

from typing import Any


def nested_array(levels: int) -> list[Any]:
    """Return an array that is nested `levels` deep: an empty one for 1."""
    value: list[Any] = []
    for _ in range(levels - 1):
        value = [value]
    return value
