"""Show what changes in a configuration file, without secrets."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from difflib import unified_diff
from typing import Final

MASK: Final = "********"

# No text is both: `//` and `/*` start comments in JSON, `#` does in TOML, and none of them is valid outside strings in
# the other one.
_HIDDEN: Final = re.compile(
    r"""(?P<long>\"{3}(?:[^\\]|\\.)*?\"{3,5}|'{3}.*?'{3,5})
    |(?P<string>"(?:[^"\\\n]|\\[^\n])*"?|'[^'\n]*'?)
    |(?P<comment>//[^\n]*|/\*.*?(?:\*/|\Z)|\#[^\n]*)""",
    re.DOTALL | re.VERBOSE,
)
_CONTENT: Final = re.compile(r"[^\r\n]+")
_IS_KEY: Final = re.compile(r"\s*[:=]")
_HUNK: Final = re.compile(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")


def masked_diff(name: str, before: str, after: str, shown: Collection[str]) -> list[str]:
    """Return a unified diff of two texts in JSON or TOML.

    Comments, and every string that is not a key, are masked unless they are known to be public: other servers' entries
    and comments contain secrets too, and people paste what a command prints.

    Args:
        name: of the file.
        before: the former text.
        after: the new text.
        shown: the strings that may be shown.
    """
    public = {form for text in shown for form in _quoted(text)}
    lines = unified_diff(_lines(before), _lines(after), fromfile=name, tofile=f"{name} (new)", lineterm="", n=2)
    return list(_masked(lines, _lines(_mask(before, public)), _lines(_mask(after, public))))


def _masked(diff: Iterator[str], before: list[str], after: list[str]) -> Iterator[str]:
    """Yield the lines of a diff, with those of the masked texts in place of the original ones."""
    old = new = 0
    for number, line in enumerate(diff):
        if number < 2:
            yield line
        elif hunk := _HUNK.match(line):
            # An empty range is named by the line before it.
            old, new = (int(hunk[start]) - (hunk[start + 1] != "0") for start in (1, 3))
            yield line
        else:
            sign = line[0]
            yield f"{sign}{after[new] if sign == '+' else before[old]}"
            old += sign != "+"
            new += sign != "-"


def _lines(text: str) -> list[str]:
    """Split at line feeds only: a string may contain what `str.splitlines` takes for another line end."""
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    return lines if lines[-1] else lines[:-1]


def _mask(text: str, public: Collection[str]) -> str:
    return _HIDDEN.sub(lambda found: _masked_token(found, public), text)


def _masked_token(found: re.Match[str], public: Collection[str]) -> str:
    text = found[0]
    if found["string"] is None:
        width = 1 if text[0] == "#" else 2 if text[0] == "/" else 3
        end = text[-width:] if found["long"] or text.startswith("/*") else ""
        masked = _CONTENT.sub(MASK, text[width : len(text) - len(end)])
        return f"{text[:width]}{'' if found['long'] else ' '}{masked}{end}"
    if text in public or _IS_KEY.match(found.string, found.end()):
        return text
    return f"{text[0]}{MASK}{text[0]}"


def _quoted(text: str) -> Iterator[str]:
    """Yield the forms in which a configuration contains a string."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    yield f'"{escaped}"'
    yield f"'{text}'"
