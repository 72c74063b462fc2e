"""Startup time and memory."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from contextlib import AsyncExitStack
from typing import Final

from benchmarks.load import repeat
from benchmarks.processes import NO_OP, SERVER, environment, responder
from benchmarks.report import Report, Row, Target
from benchmarks.rounds import Effort
from benchmarks.servers import EVENT, Start, start_and_end, start_and_list_tools, stdio_server, tool_call

_NO_OP_SERVER: Final = "the no-op server"
_STDIO_START: Final = "the start over stdio to `tools/list`"


async def start(report: Report, effort: Effort) -> None:
    """Measure the time from process start to the result of `tools/list`, configured as for a real workspace.

    `--help` and `--version`, which users wait for, are compared with it.
    """
    env = {name: value for name, value in environment("").items() if name != "CUSTOMERIO_TRACK_URL"}
    options = {name: (*SERVER, name) for name in ("--help", "--version")}
    starts: dict[str, list[Start]] = {name: [] for name in ("ours", "baseline", *options)}
    for _ in range(effort.rounds * 2):
        starts["ours"].append(await start_and_list_tools(SERVER, env))
        starts["baseline"].append(await start_and_list_tools(NO_OP, env))
        for name, command in options.items():
            starts[name].append(await start_and_end(command, env))
    for case, figure, target in (
        ("stdio, start to `tools/list`", _elapsed, Target(1.08, at_least=False)),
        ("stdio, start to end after `tools/list`, CPU time", _cpu, None),
    ):
        _add_start(report, case, starts["ours"], (_NO_OP_SERVER, starts["baseline"]), figure, target)
    for name in options:
        target = Target(0.25, at_least=False)
        _add_start(report, f"`{name}`, start to end", starts[name], (_STDIO_START, starts["ours"]), _elapsed, target)


def _elapsed(start: Start) -> float:
    return start.elapsed


def _cpu(start: Start) -> float:
    return start.cpu


def _add_start(
    report: Report,
    case: str,
    ours: Sequence[Start],
    baseline: tuple[str, Sequence[Start]],
    figure: Callable[[Start], float],
    target: Target | None,
) -> None:
    name, others = baseline
    ratios = [figure(one) / figure(other) for one, other in zip(ours, others, strict=True)]
    figures = "; ".join(f"{statistics.median(map(figure, starts)):.3f} s" for starts in (ours, others))
    report.rows.append(Row(case, name, ratios, target, figures))


async def memory(report: Report, effort: Effort) -> None:
    """Measure resident memory once the tools are listed, and how it grows over many calls."""
    request = tool_call("send_event", EVENT)
    async with AsyncExitStack() as stack:
        env = environment(await stack.enter_async_context(responder()))
        servers = {}
        for name, command in {"ours": SERVER, "baseline": NO_OP}.items():
            servers[name] = await stack.enter_async_context(stdio_server(command, env))
            await servers[name].send(b'"method":"tools/list"}')
        at_rest, warm, at_end = {}, {}, {}
        for name, server in servers.items():
            at_rest[name] = server.meter.resident_bytes()
            await repeat(lambda server=server: server.call(request), 32, effort.calls // 50)  # type: ignore[misc]
            warm[name] = server.meter.resident_bytes()
            await repeat(lambda server=server: server.call(request), 32, effort.calls)  # type: ignore[misc]
            at_end[name] = server.meter.resident_bytes()
    for moment, used, bound in (("at rest", at_rest, 1.09), (f"after {effort.calls} calls", at_end, 1.15)):
        figures = f"{used['ours'] / 1e6:.1f} MB; {used['baseline'] / 1e6:.1f} MB"
        ratio = used["ours"] / used["baseline"]
        report.rows.append(
            Row(f"resident memory {moment}", _NO_OP_SERVER, [ratio], Target(bound, at_least=False), figures),
        )
    figures = "; ".join(f"{warm[name] / 1e6:.1f} MB, then {at_end[name] / 1e6:.1f} MB" for name in servers)
    report.rows.append(
        Row(
            f"resident memory after {effort.calls} more calls",
            f"itself after {effort.calls // 50} calls",
            [at_end["ours"] / warm["ours"]],
            Target(1.03, at_least=False),
            figures,
        )
    )
