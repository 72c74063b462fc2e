"""Print to the person who started the command."""

from __future__ import annotations

import os
import re
import sys
from typing import Final

# Control characters except line feeds and tabs, and those that change the direction of text.
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200e\u200f\u202a-\u202e\u2066-\u2069]")


def print_status(line: str) -> None:
    """Print to stderr, which never carries the protocol."""
    if sys.stderr is not None:
        print(f"customerio-track-mcp: {_escaped(line)}", file=sys.stderr, flush=True)  # noqa: T201


def print_result(line: str) -> None:
    """Print to stdout: what the command was asked for. If stdout is closed, nobody wants it."""
    if sys.stdout is None:
        return
    # A path may contain what the stream cannot encode: a file of Windows' code page, a name that is not UTF-8.
    encoding = sys.stdout.encoding or "utf-8"
    line = _escaped(line).encode(encoding, "backslashreplace").decode(encoding)
    try:
        print(line, flush=True)  # noqa: T201
    except OSError as error:
        # The reader has gone, or the disk is full: discard the rest.
        if not isinstance(error, BrokenPipeError):
            print_status(f"standard output cannot be written: {error.strerror}")
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _escaped(line: str) -> str:
    """Return a line without what a terminal obeys: paths and other programs' files contain any character."""
    return _CONTROL.sub(lambda found: found[0].encode("unicode_escape").decode(), line)
