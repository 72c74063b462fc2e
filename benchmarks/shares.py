"""Which packages the CPU time of a call is spent in, from a profile of the running server."""

from __future__ import annotations

import pstats
import sys
import tempfile
from collections import Counter
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final

from benchmarks.load import repeat
from benchmarks.processes import environment, responder
from benchmarks.report import Report
from benchmarks.rounds import Effort
from benchmarks.servers import EVENT, Server, http_server, stdio_server, tool_call

_IO: Final = "asyncio, sockets and pipes"
_GROUPS: Final = {
    "this server": ("customerio_track_mcp",),
    "MCP SDK and its spans": ("mcp", "mcp_types", "opentelemetry"),
    "pydantic": ("pydantic", "pydantic_core"),
    "HTTP server: uvicorn, httptools, h11, Starlette": ("uvicorn", "httptools", "h11", "starlette", "sse_starlette"),
    "aiohttp and its dependencies": ("aiohttp", "yarl", "multidict", "propcache", "frozenlist", "aiosignal"),
    "httpx": ("httpx",),
    "anyio": ("anyio",),
    "logging": ("logging",),
    _IO: ("asyncio", "selectors"),
    "ULIDs": ("ulid",),
    "metrics": ("prometheus_client",),
}
"""The packages of each row of the table."""
_OTHER: Final = "other Python code"
_BUILT_IN: Final = "~"  # the file name that cProfile gives to built-in functions
_Location = tuple[str, int, str]


async def shares(report: Report, effort: Effort) -> None:
    """Measure each package's share of a call over each transport.

    A profiler slows small functions down more than others, so the shares are approximate.
    """
    calls = effort.calls // 10
    transports = {"stdio": None, "HTTP, protocol 2026-07-28": True, "HTTP, protocol 2025-11-25": False}
    times = {transport: await _time_by_group(modern, calls) for transport, modern in transports.items()}
    report.notes += ["", "| CPU time of a call under a profiler | " + " | ".join(times) + " |"]
    report.notes.append("| --- |" + " ---: |" * len(times))
    for group in (*_GROUPS, _OTHER):
        cells = [f"{by_group[group] / by_group.total():.0%}" for by_group in times.values()]
        report.notes.append(f"| {group} | {' | '.join(cells)} |")


async def _time_by_group(modern: bool | None, calls: int) -> Counter[str]:
    """Return the time of `calls` calls by group: a run with them, minus a run with one call. None means stdio."""
    return await _profile(modern, calls) - await _profile(modern, 1)


async def _profile(modern: bool | None, calls: int) -> Counter[str]:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "profile")
        command = (sys.executable, "-m", "cProfile", "-o", str(file), "-m", "customerio_track_mcp")
        async with AsyncExitStack() as stack:
            env = environment(await stack.enter_async_context(responder()))
            server: Server
            if modern is None:
                server = await stack.enter_async_context(stdio_server(command, env))
            else:
                http = (*command, "http", "--port", "PORT")
                server = await stack.enter_async_context(http_server(http, env, modern=modern))
            request = tool_call("send_event", EVENT, modern=bool(modern))
            await repeat(lambda: server.call(request), 32, calls)
        return _sum_by_group(pstats.Stats(str(file)))


def _sum_by_group(profile: pstats.Stats) -> Counter[str]:
    times: Counter[str] = Counter()
    functions: dict[_Location, tuple[Any, ...]] = profile.stats  # type: ignore[attr-defined]
    for location, (_, _, own_time, _, callers) in functions.items():
        file, _, name = location
        if file != _BUILT_IN:
            times[_group_of(location)] += own_time
        elif "poll" not in name:  # waiting is not CPU time
            for caller, (_, _, time_from_caller, _) in callers.items():
                times[_group_of(caller)] += time_from_caller
    return times


def _group_of(location: _Location) -> str:
    path = Path(location[0])
    if path.parts[-2:] == ("stdio", "pipes.py"):
        return _IO
    return next((group for group, packages in _GROUPS.items() if set(packages) & {*path.parts, path.stem}), _OTHER)
