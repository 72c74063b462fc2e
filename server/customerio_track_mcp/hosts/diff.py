"""Show what changes in a configuration file, without secrets."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from difflib import unified_diff
from typing import Final

MASK: Final = "********"

_STRING: Final = re.compile(r""""(?:[^"\\]|\\.)*"?|'[^']*'?""")
_IS_KEY: Final = re.compile(r"\s*[:=]")


def masked_diff(name: str, before: str, after: str, shown: Collection[str]) -> list[str]:
    """Return a unified diff of two texts in JSON or TOML.

    Every string that is not a key is masked unless it is known to be public: other servers' entries and comments
    contain secrets too, and people paste what a command prints.

    Args:
        name: of the file.
        before: the former text.
        after: the new text.
        shown: the strings that may be shown.
    """
    public = {form for text in shown for form in _quoted(text)}
    lines = unified_diff(
        before.splitlines(), after.splitlines(), fromfile=name, tofile=f"{name} (new)", lineterm="", n=2
    )
    return list(_masked(lines, public))


def _masked(lines: Iterator[str], public: Collection[str]) -> Iterator[str]:
    for number, line in enumerate(lines):
        if number < 2 or line.startswith("@@"):
            yield line
            continue
        yield _STRING.sub(lambda found: _mask(found, public), line)


def _mask(found: re.Match[str], public: Collection[str]) -> str:
    text = found[0]
    if text in public or _IS_KEY.match(found.string, found.end()):
        return text
    return f"{text[0]}{MASK}{text[0]}"


def _quoted(text: str) -> Iterator[str]:
    """Yield the forms in which a configuration contains a string."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    yield f'"{escaped}"'
    yield f"'{text}'"
