"""How an agent's output and a scenario's title appear in a report for people."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

from customerio_track_mcp.rehearsal.shown_text import escaped

_COLORS: Final = re.compile(r"\x1b\[[0-9;]*m")


def printable_text(text: str) -> str:
    """Return `text` with escapes such as `\\x1b` for what a terminal obeys and XML cannot contain.

    Colors are removed. Line feeds and tabs stay, and every other line end becomes a line feed.
    """
    lines = _COLORS.sub("", text).replace("\r\n", "\n").replace("\r", "\n")
    return "".join(map(_printable, lines))


def one_line(text: str, max_characters: int) -> str:
    """Return `text` on one line, cut to `max_characters`."""
    line = " ".join(printable_text(text).split())
    return line if len(line) <= max_characters else f"{line[: max_characters - 1]}…"


def last_lines(text: str, max_lines: int, max_characters: int) -> list[str]:
    """Return the last lines of `text` that are not blank, each cut to `max_characters`."""
    lines = [line for line in printable_text(text).splitlines() if line.strip()]
    return [one_line(line, max_characters) for line in lines[-max_lines:]]


def _printable(char: str) -> str:
    if char.isprintable() or char in "\n\t":
        return char
    return " " if unicodedata.category(char) == "Zs" else escaped(char)
