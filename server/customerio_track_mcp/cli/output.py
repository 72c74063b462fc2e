"""Words for whoever started the command."""

from __future__ import annotations

import os
import sys


def say(line: str) -> None:
    """Tell it on standard error, where what is written can't get into the protocol."""
    if sys.stderr is not None:
        print(f"customerio-track-mcp: {line}", file=sys.stderr, flush=True)  # noqa: T201


def tell(line: str) -> None:
    """Tell it on standard output: what the command was asked for."""
    try:
        print(line, flush=True)  # noqa: T201
    except BrokenPipeError:
        # Whoever read our output has gone: the rest is told to nobody.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
