"""Text: its size in bytes, and how it is shown in messages."""

from __future__ import annotations

import pytest

from customerio_track_mcp.track.printable import shorten
from customerio_track_mcp.track.validation.text import text_problems, utf8_size


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("x" * 10, None),
        ("é" * 5, None),
        ("é" * 5 + "x", "is 11 bytes long; the maximum is 10 bytes of UTF-8"),
        ("", "is blank; pass 1 to 10 bytes of text"),
        (" \t\n", "is blank; pass 1 to 10 bytes of text"),
        ("\ud800", "contains a lone surrogate, which is not a valid character; pass valid Unicode text"),
    ],
)
def test_blank_long_and_invalid_text_is_reported(text: str, problem: str | None) -> None:
    assert [found.text for found in text_problems("name", text, 10)] == ([problem] if problem else [])


@pytest.mark.parametrize(("text", "size"), [("", 0), ("é", 2), ("日本", 6), ("\ud800", None)])
def test_size_is_in_bytes_of_utf8(text: str, size: int | None) -> None:
    assert utf8_size(text) == size


def test_text_in_messages_is_short_and_printable() -> None:
    assert shorten("x" * 50) == "x" * 39 + "…"
    assert shorten("a\x1b[31mb\n") == "a�[31mb�"
