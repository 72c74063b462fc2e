"""Where a value is in a scenario, as written in its file: `expect.events[0].data.total`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from customerio_track_mcp.rehearsal.shown_text import shown

Place = tuple[str | int, ...]
"""Keys and positions, from the outermost."""


def shown_place(place: Place) -> str:
    """Return a place as text for a message."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{shown(part)}" for part in place)
    return text.removeprefix(".")


def written_place(location: Place, value: Any) -> Place:
    """Return the place in a document of an error of pydantic, whose location also names members of unions.

    The kind of a fault is such a name, and can also be one of its keys: `status`.

    Args:
        location: where pydantic has found the error.
        value: the document.
    """
    if location[:1] == ("faults",):
        location = (*location[:2], *location[3:])
    place: list[str | int] = []
    for position, part in enumerate(location):
        is_last = position == len(location) - 1
        if isinstance(value, Mapping):
            if part in value:
                value = value[str(part)]
            elif not is_last or not isinstance(part, str) or _is_type_name(part):
                continue
            else:
                return (*place, part)  # a missing key
        elif isinstance(value, Sequence) and not isinstance(value, str):
            if not isinstance(part, int) or part >= len(value):
                continue
            value = value[part]
        else:
            continue
        place.append(part)
    return tuple(place)


def _is_type_name(part: str) -> bool:
    return part == "[key]" or "[" in part or part[:1].isupper()
