"""The text of a failed test: what the real API would have dropped."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from customerio_track_mcp.sandbox.records import Dropped

_MAX_LINES: Final = 20
_MAX_IDENTIFIER_CHARACTERS: Final = 60
_MAX_TEXT_CHARACTERS: Final = 300
_REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}"


def drops_text(dropped: Sequence[Dropped]) -> str:
    """Return a heading, and a line for each of the first drops."""
    what = "one thing" if len(dropped) == 1 else f"{len(dropped)} things"
    lines = [f"the real API would have accepted with 200, and silently dropped, {what}:"]
    for item in dropped[:_MAX_LINES]:
        identifier = _shortened(item.identifier, _MAX_IDENTIFIER_CHARACTERS)
        text = _shortened(f"{item.what}: {item.reason}", _MAX_TEXT_CHARACTERS)
        lines.append(f"  {item.operation} {identifier}: {text}")
    if len(dropped) > _MAX_LINES:
        lines.append(f"  … and {len(dropped) - _MAX_LINES} more")
    return "\n".join(lines)


def _shortened(text: str, maximum: int) -> str:
    """Return a client's text on one line, without characters that make a line read differently."""
    head = text if len(text) <= maximum else text[: maximum - 1] + "…"
    return "".join(char if char.isprintable() else _REPLACEMENT for char in head)
