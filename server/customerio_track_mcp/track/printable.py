"""How text that somebody else wrote appears in a message, a log line or an error."""

from __future__ import annotations

from typing import Final

_REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}"


def printable(text: str) -> str:
    """Return `text` on one line, with unprintable characters replaced: control characters, bidi marks, lone surrogates.

    A lone surrogate cannot be encoded in a response; a control or bidi character can make a line read differently.
    """
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else _REPLACEMENT for char in text)


def shorten(text: str, max_characters: int = 40) -> str:
    """Return `text` cut to `max_characters` for a message, with unprintable characters replaced."""
    head = printable(text[: max_characters + 1])
    return head if len(head) <= max_characters else head[: max_characters - 1] + "…"
