"""How text that an agent or a scenario wrote appears in a finding."""

from __future__ import annotations

from typing import Final

MAX_SHOWN_CHARACTERS: Final = 120
"""Characters of a text in a finding; the rest is replaced by an ellipsis."""


def shown(text: str) -> str:
    """Return a text on one line, shortened, with escapes for what is not printable: control characters, bidi marks."""
    head = text[: MAX_SHOWN_CHARACTERS + 1]
    if not head.isprintable():
        head = "".join(char if char.isprintable() else escaped(char) for char in head)
    return head if len(head) <= MAX_SHOWN_CHARACTERS else head[: MAX_SHOWN_CHARACTERS - 1] + "…"


def escaped(char: str) -> str:
    """Return a character as an escape such as `\\x1b`."""
    return char.encode("unicode_escape").decode("ascii")
