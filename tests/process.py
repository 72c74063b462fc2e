"""The command as a subprocess, as a host or an operator starts it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from mcp import StdioServerParameters

COMMAND = [sys.executable, "-m", "customerio_track_mcp"]
KEY = "api-key-that-must-not-show"


def environment(**settings: str) -> dict[str, str]:
    """The test's own environment (coverage needs it in subprocesses) and these CUSTOMERIO_ settings."""
    return dict(os.environ) | {f"CUSTOMERIO_{name.upper()}": value for name, value in settings.items()}


def run(*arguments: str, stdin: str = "", env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command to its end."""
    return subprocess.run(
        [*COMMAND, *arguments],
        input=stdin,
        env=env if env is not None else environment(),
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )


@contextmanager
def running(
    *arguments: str, env: Mapping[str, str] | None = None, own_group: bool = False
) -> Iterator[subprocess.Popen[str]]:
    """The command while it runs; killed at the end if it has not ended by then."""
    with subprocess.Popen(
        [*COMMAND, *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=env if env is not None else environment(),
        encoding="utf-8",
        start_new_session=own_group,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def url_told(process: subprocess.Popen[str], pattern: str) -> str:
    """The first URL in the first line of standard error that matches `pattern`."""
    assert process.stderr is not None
    for line in process.stderr:
        if re.search(pattern, line) and (found := re.search(r'http://[^\s;)",]+', line)):
            return found.group()
    raise AssertionError(f"the process ended without a line that matches {pattern!r}")


def stdio_parameters(*arguments: str, **settings: str) -> StdioServerParameters:
    """What the SDK's client needs to start the command as its server."""
    return StdioServerParameters(
        command=COMMAND[0], args=[*COMMAND[1:], *arguments], env=environment(**settings), cwd=Path.cwd()
    )
