"""Processes under measurement: commands, environment, CPU time and memory."""

from __future__ import annotations

import os
import resource
import socket
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, Literal

import anyio
import psutil
from anyio.streams.buffered import BufferedByteReceiveStream

SERVER: Final = (sys.executable, "-m", "customerio_track_mcp")
"""The command that runs this server over stdio."""


def python(module: str, *arguments: str) -> tuple[str, ...]:
    """Return the command that runs a module of this package."""
    return (sys.executable, "-m", f"benchmarks.{module}", *arguments)


NO_OP: Final = python("no_op", "stdio")
"""The command that runs the no-op server over stdio."""


def http_command(workers: int = 1) -> tuple[str, ...]:
    """Return the command that runs this server over HTTP, for `benchmarks.servers.http_server`."""
    return (*SERVER, "http", "--port", "PORT", "--workers", str(workers))


def no_op_http_command(workers: int = 1, parser: Literal["h11", "httptools"] = "h11") -> tuple[str, ...]:
    """Return the command that runs the no-op server over HTTP. h11 is what the SDK installs."""
    return python("no_op", "http", str(workers), parser)


def environment(track_url: str, **others: str) -> Mapping[str, str]:
    """Return an environment with `track_url` as the upstream and limits too high to matter.

    Args:
        track_url: the Track API's base URL.
        others: more variables.
    """
    settings = {
        "CUSTOMERIO_API_KEY": "site:key",
        "CUSTOMERIO_TRACK_URL": track_url,
        "CUSTOMERIO_RATE_LIMIT": "100000",
        # More than are ever in flight: a caller may receive a response before the service stops counting its call.
        "CUSTOMERIO_HTTP_MAX_IN_FLIGHT": "1024",
        "CUSTOMERIO_HTTP_MAX_IN_FLIGHT_PER_CALLER": "1024",
    }
    inherited = {
        name: value
        for name, value in os.environ.items()
        # Containers often set the latter to 1; then each process compiles the package again.
        if not name.startswith("CUSTOMERIO_") and name != "PYTHONDONTWRITEBYTECODE"
    }
    return inherited | settings | others


@asynccontextmanager
async def responder(certificate: Path | None = None) -> AsyncIterator[str]:
    """Run `benchmarks.responder` in its own process, and yield its URL.

    Args:
        certificate: a PEM file with a private key and its certificate chain, for https; None for http.
    """
    command = python("responder", *([str(certificate)] if certificate else []))
    async with await anyio.open_process(command, stderr=None) as process:
        try:
            assert process.stdout is not None
            line = await BufferedByteReceiveStream(process.stdout).receive_until(b"\n", 1000)
            yield line.decode()
        finally:
            process.terminate()


def free_port() -> int:
    """Return a port that is free on 127.0.0.1."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def ended_children_cpu_seconds() -> float:
    """Return the CPU time that the child processes of this one used which have ended, in seconds.

    It is exact, while a `Meter` counts hundredths of a second.
    """
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


class Meter:
    """Measures the CPU time and memory of a process and its descendants.

    Args:
        process_id: the process.
    """

    def __init__(self, process_id: int) -> None:
        self._root = psutil.Process(process_id)

    def cpu_seconds(self) -> float:
        """Return the CPU time used so far, in seconds."""
        return sum(sum(process.cpu_times()[:2]) for process in self._processes())

    def resident_bytes(self) -> int:
        """Return the resident memory, in bytes."""
        return sum(process.memory_info().rss for process in self._processes())

    def _processes(self) -> Sequence[psutil.Process]:
        return [self._root, *self._root.children(recursive=True)]
