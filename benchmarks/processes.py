"""Processes under measurement: started, counted, ended."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import anyio
import psutil
from anyio.streams.buffered import BufferedByteReceiveStream

SERVER: Final = (sys.executable, "-m", "customerio_track_mcp")


def python(module: str, *arguments: str) -> tuple[str, ...]:
    """The command that runs a module of this package."""
    return (sys.executable, "-m", f"benchmarks.{module}", *arguments)


DO_NOTHING: Final = python("do_nothing", "stdio")


def environment(track_url: str, **others: str) -> Mapping[str, str]:
    """An environment in which the server's calls go to `track_url`, and no rate budget stands in the way."""
    ours = {
        "CUSTOMERIO_API_KEY": "site:key",
        "CUSTOMERIO_TRACK_URL": track_url,
        "CUSTOMERIO_RATE_LIMIT": "100000",
        # More than are ever in flight: a caller may have an answer before the call is off the service's count.
        "CUSTOMERIO_HTTP_MAX_IN_FLIGHT": "1024",
        "CUSTOMERIO_HTTP_MAX_IN_FLIGHT_PER_CALLER": "1024",
    }
    return {name: value for name, value in os.environ.items() if not name.startswith("CUSTOMERIO_")} | ours | others


@asynccontextmanager
async def responder(certificate: Path | None = None) -> AsyncIterator[str]:
    """A responder in a process of its own; its URL.

    Args:
        certificate: for https: a file with a key and its certificates.
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
    """A port of loopback that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
        return port


class Meter:
    """Counts what a process and its children use."""

    def __init__(self, process_id: int) -> None:
        self._root = psutil.Process(process_id)

    def cpu_seconds(self) -> float:
        """The processor time used so far."""
        return sum(sum(process.cpu_times()[:2]) for process in self._processes())

    def resident_bytes(self) -> int:
        """The memory that is resident now."""
        return sum(process.memory_info().rss for process in self._processes())

    def _processes(self) -> Sequence[psutil.Process]:
        return [self._root, *self._root.children(recursive=True)]
