"""Print to the person who started the command."""

from __future__ import annotations

import os
import sys


def print_status(line: str) -> None:
    """Print to stderr, which never carries the protocol."""
    if sys.stderr is not None:
        print(f"customerio-track-mcp: {line}", file=sys.stderr, flush=True)  # noqa: T201


def print_result(line: str) -> None:
    """Print to stdout: what the command was asked for."""
    # A path may contain what the stream cannot encode: a file of Windows' code page, a name that is not UTF-8.
    encoding = sys.stdout.encoding or "utf-8"
    line = line.encode(encoding, "backslashreplace").decode(encoding)
    try:
        print(line, flush=True)  # noqa: T201
    except OSError as error:
        # The reader has gone, or the disk is full: discard the rest.
        if not isinstance(error, BrokenPipeError):
            print_status(f"standard output cannot be written: {error.strerror}")
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
