"""Startup time, memory, and the cost of attributes."""

from __future__ import annotations

import statistics
from contextlib import AsyncExitStack
from typing import Final

from benchmarks.load import repeat
from benchmarks.processes import NO_OP, SERVER, environment, responder
from benchmarks.report import Report, Row, Target
from benchmarks.rounds import Effort, ServerWorkload, measure_in_turns
from benchmarks.servers import EVENT, seconds_to_list_tools, stdio_server, tool_call

_NO_OP_SERVER: Final = "the no-op server"


async def start(report: Report, effort: Effort) -> None:
    """Measure the time from process start to the result of `tools/list`, configured as for a real workspace."""
    env = {name: value for name, value in environment("").items() if name != "CUSTOMERIO_TRACK_URL"}
    ours, baseline = [], []
    for _ in range(effort.rounds * 2):
        ours.append(await seconds_to_list_tools(SERVER, env))
        baseline.append(await seconds_to_list_tools(NO_OP, env))
    ratios = [one / other for one, other in zip(ours, baseline, strict=True)]
    figures = f"{statistics.median(ours):.2f} s; {statistics.median(baseline):.2f} s"
    report.rows.append(
        Row("stdio, start to `tools/list`", _NO_OP_SERVER, ratios, Target(1.15, at_least=False), figures),
    )


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
    for moment, used in (("at rest", at_rest), (f"after {effort.calls} calls", at_end)):
        figures = f"{used['ours'] / 1e6:.1f} MB; {used['baseline'] / 1e6:.1f} MB"
        ratio = used["ours"] / used["baseline"]
        report.rows.append(
            Row(f"resident memory {moment}", _NO_OP_SERVER, [ratio], Target(1.3, at_least=False), figures),
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


async def attributes(report: Report, effort: Effort) -> None:
    """Measure calls with 1 to 297 attributes, and fit a line: the cost per attribute."""
    numbers = (1, 30, 75, 150, 225, 297)
    async with AsyncExitStack() as stack:
        env = environment(await stack.enter_async_context(responder()))
        server = await stack.enter_async_context(stdio_server(SERVER, env))
        workloads = {
            str(number): ServerWorkload(server, tool_call("create_or_update_customer", _customer(number)))
            for number in numbers
        }
        samples = await measure_in_turns(workloads, 32, effort)
    cpu = {number: statistics.median(sample.cpu for sample in samples[str(number)]) for number in numbers}
    slope, intercept = statistics.linear_regression(list(cpu), list(cpu.values()))
    r_squared = statistics.correlation(list(cpu), list(cpu.values())) ** 2
    points = ", ".join(f"{number}: {seconds * 1000:.2f} ms" for number, seconds in cpu.items())
    report.notes.append(
        f"CPU time of a call by number of attributes: {points}. Linear fit: {intercept * 1000:.2f} ms plus "
        f"{slope * 1e6:.2f} µs per attribute; it explains {r_squared:.1%} of the variance."
    )


def _customer(attributes: int) -> dict[str, object]:
    values = {f"attribute_{number}": f"value {number}" for number in range(attributes)}
    return {"customer_id": "1042", "email": "ann@example.com", "attributes": values}
