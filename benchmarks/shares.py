"""Whose code the processor time of a call goes to, by a profile of the running server."""

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
from benchmarks.servers import EVENT, Server, call_of, http_server, stdio_server

_OWNERS: Final = {
    "this server": ("customerio_track_mcp",),
    "the MCP SDK, and the spans it makes": ("mcp", "mcp_types", "opentelemetry"),
    "pydantic": ("pydantic", "pydantic_core"),
    "HTTP server: uvicorn, h11, Starlette": ("uvicorn", "h11", "starlette"),
    "aiohttp and what it is made of": ("aiohttp", "yarl", "multidict", "propcache", "frozenlist", "aiosignal"),
    "httpx": ("httpx",),
    "anyio": ("anyio",),
    "logging": ("logging",),
    "asyncio, sockets and pipes": ("asyncio", "selectors"),
    "ULIDs": ("ulid",),
    "metrics": ("prometheus_client",),
}
_REST: Final = "the rest of Python"
_Place = tuple[str, int, str]


async def shares(report: Report, effort: Effort) -> None:
    """Shares of a call over each transport. A profiler slows small functions most: they are no more than shares."""
    calls = effort.calls // 10
    kinds = {"stdio": None, "HTTP, protocol 2026-07-28": True, "HTTP, protocol 2025-11-25": False}
    found = {kind: await _owners(modern, calls) for kind, modern in kinds.items()}
    report.notes += ["", "| processor time of a call under a profiler | " + " | ".join(found) + " |"]
    report.notes.append("| --- |" + " ---: |" * len(found))
    for owner in (*_OWNERS, _REST):
        each = [f"{owners[owner] / owners.total():.0%}" for owners in found.values()]
        report.notes.append(f"| {owner} | {' | '.join(each)} |")


async def _owners(modern: bool | None, calls: int) -> Counter[str]:
    """The time that `calls` calls take, by owner: a run with them, less a run without. None stands for stdio."""
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
            request = call_of("send_event", EVENT, modern=bool(modern))
            await repeat(lambda: server.call(request), 32, calls)
        return _by_owner(pstats.Stats(str(file)))


def _by_owner(profile: pstats.Stats) -> Counter[str]:
    times: Counter[str] = Counter()
    functions: dict[_Place, tuple[Any, ...]] = profile.stats  # type: ignore[attr-defined]
    for place, (_, _, own, _, callers) in functions.items():
        if place[0] != "~":
            times[_owner(place)] += own
        else:  # what is built in is told under who called it, but for waiting
            for caller, (_, _, by_caller, _) in callers.items():
                if "poll" not in place[2]:
                    times[_owner(caller)] += by_caller
    return times


def _owner(place: _Place) -> str:
    parts = Path(place[0]).parts
    if parts[-1:] == ("wire.py",):
        return "asyncio, sockets and pipes"
    return next((owner for owner, packages in _OWNERS.items() if set(packages) & {*parts, Path(place[0]).stem}), _REST)
