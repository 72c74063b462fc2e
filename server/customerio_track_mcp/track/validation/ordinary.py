"""Recognize ids and names that need no closer look, with one pattern for all of them.

Nearly all are ordinary: short, in ASCII, and without anything that placeholders consist of. What is not ordinary may be
valid all the same: `identifiers` and `attributes` then validate one by one, and only they report problems.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable
from typing import Final

from customerio_track_mcp.track.validation.limits import ATTRIBUTE_NAME_BYTES, IDENTIFIER_BYTES
from customerio_track_mcp.track.validation.placeholders import ABSENT

# Patterns of lines. Those of ids allow neither quotes nor brackets, which may surround a placeholder, nor a character
# that begins a template.
_IDS: Final = re.compile(rf"(?:[A-Za-z0-9_.@+:/|=~-]{{1,{IDENTIFIER_BYTES}}}\n)*+")
_CIO_IDS: Final = re.compile(rf"(?:(?:cio_)?[A-Za-z0-9]{{1,{IDENTIFIER_BYTES - len('cio_')}}}\n)*+")
# Up to 252 characters: 64, "@", 63, and four times 31.
_ADDRESSES: Final = re.compile(r"(?:[A-Za-z0-9_.+=~-]{1,64}+@[A-Za-z0-9-]{1,63}+(?:\.[A-Za-z0-9-]{1,30}+){0,4}+\n)*+")
_NAMES: Final = re.compile(rf"(?:[!-~](?:[ -~]{{0,{ATTRIBUTE_NAME_BYTES - 2}}}[!-~])?\n)*+")

_PLACEHOLDERS: Final = frozenset({"cio_", *ABSENT, *(f"cio_{word}" for word in ABSENT)})
_PARTS_OF_PLACEHOLDERS: Final = ("__", "your", "undefined")
_PLACEHOLDER_DOMAINS: Final = tuple({f"@{word.lower()}" for word in ABSENT})


def are_ordinary_ids(ids: Collection[str]) -> bool:
    """Return whether each of `ids` is certainly a valid id, email address or cio_id outside a path."""
    return are_lines_of(_IDS, text := lines_of(ids), len(ids)) and _are_real(ids, text)


def are_ordinary_cio_ids(ids: Collection[str]) -> bool:
    """Return whether each of `ids` is certainly a valid cio_id, with or without `cio_` before it."""
    return are_lines_of(_CIO_IDS, text := lines_of(ids), len(ids)) and _are_real(ids, text)


def are_ordinary_addresses(emails: Collection[str]) -> bool:
    """Return whether each of `emails` is certainly a valid email address."""
    return are_lines_of(_ADDRESSES, text := lines_of(emails), len(emails)) and _are_real(emails, text)


def are_ordinary_names(names: Collection[str]) -> bool:
    """Return whether each of `names` is certainly a valid name of an attribute; it may be reserved."""
    return are_lines_of(_NAMES, lines_of(names), len(names))


def lines_of(texts: Iterable[str]) -> str:
    """Return texts as lines, each with a line feed at its end."""
    return "\n".join([*texts, ""])


def are_lines_of(pattern: re.Pattern[str], text: str, number: int) -> bool:
    """Return whether `text` consists of `number` lines that `pattern`, a pattern of any number of lines, accepts."""
    return pattern.fullmatch(text) is not None and text.count("\n") == number


def _are_real(identifiers: Iterable[str], text: str) -> bool:
    """Return whether ordinary characters are certainly those of real identifiers, not of placeholders."""
    lower = text.lower()
    return (
        _PLACEHOLDERS.isdisjoint(identifiers)
        and not _contains_any(lower, _PARTS_OF_PLACEHOLDERS)
        and not ("@n" in lower and _contains_any(lower, _PLACEHOLDER_DOMAINS))
    )


def _contains_any(text: str, parts: Iterable[str]) -> bool:
    return any(part in text for part in parts)
