"""The server under test: how it is started, and what it must not write to stderr."""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
from asyncio.subprocess import PIPE, Process
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fuzz.findings import Findings

COMMAND: Final[Sequence[str]] = (sys.executable, "-m", "customerio_track_mcp")
"""The command of this project."""

EXIT_TIMEOUT: Final = 30.0
RESPONSE_TIMEOUT: Final = 30.0

_MAX_LINE_BYTES: Final = 64 * 2**20
_SUSPICIOUS: Final = re.compile(rb"Traceback|Exception|[Ee]rror")


@dataclass(frozen=True, slots=True)
class Server:
    """A server to start.

    Attributes:
        track_url: the base URL of its Track API.
        folder: its working directory.
        command: starts it, followed by the name of the transport.
    """

    track_url: str
    folder: Path
    command: Sequence[str] = COMMAND

    @asynccontextmanager
    async def run(self, *arguments: str) -> AsyncIterator[Process]:
        """Start the server, and kill it at the end of the block if it still runs.

        Args:
            arguments: the transport and its options.
        """
        process = await asyncio.create_subprocess_exec(
            *self.command,
            *arguments,
            stdin=PIPE,
            stdout=PIPE,
            stderr=PIPE,
            env=_environment(self.track_url),
            cwd=self.folder,
            limit=_MAX_LINE_BYTES,
        )
        try:
            yield process
        finally:
            if process.returncode is None:
                process.kill()
            await process.wait()


async def check_stderr(process: Process, findings: Findings) -> None:
    """Read stderr to its end, and add every line that reports a bug."""
    assert process.stderr is not None
    while line := await process.stderr.readline():
        try:
            entry = json.loads(line)
        except ValueError:
            entry = None
        if not isinstance(entry, dict):
            if _SUSPICIOUS.search(line):
                findings.add("a line on stderr", evidence=line)
        elif entry.get("level") in ("ERROR", "CRITICAL") or entry.get("outcome") == "bug":
            findings.add("a line of the log", evidence=line)


async def check_exit(process: Process, findings: Findings, reason: str) -> None:
    """Wait until the process exits, which it has a reason to do, and add it if it does not, or not with status 0."""
    try:
        async with asyncio.timeout(EXIT_TIMEOUT):
            status = await process.wait()
    except TimeoutError:
        findings.add(f"the server does not exit on {reason}")
        process.kill()
        return
    if status != 0:
        findings.add(f"exit status {status} on {reason}")


def _environment(track_url: str) -> Mapping[str, str]:
    """Return an environment with limits too high to matter, in which every line is logged."""
    settings = {
        "API_KEY": "site:key",
        "TRACK_URL": track_url,
        "ALLOW_RESERVED_KEYS": "unsubscribed,cio_subscription_preferences,recipient",
        "RATE_LIMIT": "100000",
        "MAX_ATTEMPTS": "2",
        "TIME_BUDGET": "10",
        "LOG_LEVEL": "INFO",
        "LOG_FORMAT": "json",
        "HTTP_MAX_IN_FLIGHT": "1024",
        "HTTP_MAX_IN_FLIGHT_PER_CALLER": "1024",
        "HTTP_MAX_REQUEST_MEMORY": "1000000000",
        "HTTP_MAX_REQUEST_MEMORY_PER_CALLER": "1000000000",
    }
    inherited = {name: value for name, value in os.environ.items() if not name.upper().startswith("CUSTOMERIO_")}
    return inherited | {f"CUSTOMERIO_{name}": value for name, value in settings.items()}
