"""Text: its size in UTF-8, and what makes it invalid."""

from __future__ import annotations

from typing import Final

from customerio_track_mcp.track.errors import Problem

LONE_SURROGATE: Final = "contains a lone surrogate, which is not a valid character; pass valid Unicode text"
# The white space of JSON, and Unicode's space separators (category Zs). `str.strip` also removes control characters and
# line separators, which nobody types around an identifier: they must be reported, not removed silently.
_WHITESPACE: Final = " \t\n\r\u00a0\u1680\u202f\u205f\u3000" + "".join(map(chr, range(0x2000, 0x200B)))


def utf8_size(text: str) -> int | None:
    """Return the size of `text` in bytes of UTF-8; None if it contains a lone surrogate, which UTF-8 cannot encode."""
    if text.isascii():
        return len(text)
    try:
        return len(text.encode())
    except UnicodeEncodeError:
        return None


def trim(text: str) -> str:
    """Return `text` without the white space around it: spaces, tabs, line feeds and carriage returns."""
    return text.strip(_WHITESPACE)


def text_problems(parameter: str, text: str, max_bytes: int) -> list[Problem]:
    """Validate `text`, which must not be blank, nor longer than `max_bytes` bytes of UTF-8."""
    problem = text_problem(text, max_bytes)
    return [Problem(parameter, problem)] if problem else []


def text_problem(text: str, max_bytes: int) -> str:
    """Return what is wrong with `text`, as `text_problems` does; empty if it is valid."""
    if len(text) <= max_bytes and not trim(text):
        return f"is blank; pass 1 to {max_bytes} bytes of text"
    size = utf8_size(text)
    if size is None:
        return LONE_SURROGATE
    if size > max_bytes:
        return f"is {size} bytes long; the maximum is {max_bytes} bytes of UTF-8"
    return ""
