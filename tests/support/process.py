"""The command `customerio-track-mcp` as a subprocess, started as a host or an operator starts it."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Protocol

import anyio
from anyio import to_thread
from mcp import StdioServerParameters

from customerio_track_mcp.inherited_environment import inherited_environment

COMMAND = [sys.executable, "-m", "customerio_track_mcp"]
KEY = "api-key-that-must-not-show"


class Process(Protocol):
    """A running command: `subprocess.Popen[str]`, or a `LoadedProcess`."""

    @property
    def pid(self) -> int: ...

    @property
    def stderr(self) -> IO[str] | None: ...

    def wait(self, timeout: float | None = None) -> int: ...

    def terminate(self) -> None: ...


def environment(**settings: str) -> dict[str, str]:
    """Return the environment for a subprocess: the test's own, which coverage needs, and CUSTOMERIO_ settings.

    Without the variables that the command sets for itself, which it may have done in this process before.
    """
    return inherited_environment() | {f"CUSTOMERIO_{name.upper()}": value for name, value in settings.items()}


def run(*arguments: str, stdin: str = "", env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run the command until it exits."""
    return subprocess.run(
        [*COMMAND, *arguments],
        input=stdin,
        env=env if env is not None else environment(),
        capture_output=True,
        encoding="utf-8",
        timeout=60,
        check=False,
    )


def problem_of(completed: subprocess.CompletedProcess[str]) -> str:
    """Return the only line of a command that a setting prevented: on stderr, but on stdout the verdict of `check`."""
    assert completed.returncode == 2
    is_check = "check" in completed.args
    line, nothing = (completed.stdout, completed.stderr) if is_check else (completed.stderr, completed.stdout)
    assert nothing == ""
    prefix = "FAILED: " if is_check else "customerio-track-mcp: "
    assert line.startswith(prefix)
    (problem,) = line.removeprefix(prefix).splitlines()
    return problem


@contextmanager
def running(
    *arguments: str, env: Mapping[str, str] | None = None, own_group: bool = False
) -> Iterator[subprocess.Popen[str]]:
    """Start the command, and kill it at the end of the block if it still runs.

    Args:
        arguments: the command's arguments.
        env: its environment; by default the test's own.
        own_group: whether it gets a process group of its own.
    """
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


async def exit_status(process: Process) -> int:
    """Wait until a process exits; return its exit status."""
    with anyio.fail_after(60):
        return await to_thread.run_sync(process.wait, abandon_on_cancel=True)


def url_from_stderr(process: Process, pattern: str) -> str:
    """Return the first URL in the first line of stderr that matches `pattern` and contains a URL."""
    assert process.stderr is not None
    for line in process.stderr:
        if re.search(pattern, line) and (found := re.search(r'https?://[^\s;)",]+', line)):
            return found.group()
    raise AssertionError(f"the process exited without a line that matches {pattern!r}")


async def terminate(process: Process) -> str:
    """Send SIGTERM, wait until the process exits, and return the rest of its stderr.

    It also returns the lines that `url_from_stderr` has buffered but not used. `Popen.communicate` loses those, since
    it reads the pipe directly.
    """
    assert process.stderr is not None
    process.terminate()
    rest = await to_thread.run_sync(process.stderr.read)
    await exit_status(process)
    return rest


def stdio_parameters(*arguments: str, **settings: str) -> StdioServerParameters:
    """Return the parameters with which the SDK's client starts the command as its stdio server."""
    return StdioServerParameters(
        command=COMMAND[0], args=[*COMMAND[1:], *arguments], env=environment(**settings), cwd=Path.cwd()
    )
