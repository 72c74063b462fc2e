"""What the server takes besides calls: its start, its memory, and what attributes add to a call."""

from __future__ import annotations

import statistics
from contextlib import AsyncExitStack

from benchmarks.load import repeat
from benchmarks.processes import DO_NOTHING, SERVER, environment, responder
from benchmarks.report import Report, Row, Target
from benchmarks.rounds import Calls, Effort, in_turns
from benchmarks.servers import EVENT, call_of, seconds_to_list_tools, stdio_server


async def start(report: Report, effort: Effort) -> None:
    """From the start of a process to its answer to `tools/list`, with the settings of a real workspace."""
    env = {name: value for name, value in environment("").items() if name != "CUSTOMERIO_TRACK_URL"}
    ours, nothing = [], []
    for _ in range(effort.rounds * 2):
        ours.append(await seconds_to_list_tools(SERVER, env))
        nothing.append(await seconds_to_list_tools(DO_NOTHING, env))
    each = [one / other for one, other in zip(ours, nothing, strict=True)]
    figures = f"{statistics.median(ours):.2f} s; {statistics.median(nothing):.2f} s"
    row = Row("stdio, start to `tools/list`", "the do-nothing server", each, Target(1.15, at_least=False), figures)
    report.rows.append(row)


async def memory(report: Report, effort: Effort) -> None:
    """Resident memory when the tools have been listed, and how it grows over many calls."""
    request = call_of("send_event", EVENT)
    async with AsyncExitStack() as stack:
        env = environment(await stack.enter_async_context(responder()))
        servers = {}
        for name, command in {"ours": SERVER, "theirs": DO_NOTHING}.items():
            servers[name] = await stack.enter_async_context(stdio_server(command, env))
            await servers[name].ask(b'"method":"tools/list"}')
        rest, warm, after = {}, {}, {}
        for name, server in servers.items():
            rest[name] = server.meter.resident_bytes()
            await repeat(lambda server=server: server.call(request), 32, effort.calls // 50)  # type: ignore[misc]
            warm[name] = server.meter.resident_bytes()
            await repeat(lambda server=server: server.call(request), 32, effort.calls)  # type: ignore[misc]
            after[name] = server.meter.resident_bytes()
    for words, at in (("at rest", rest), (f"after {effort.calls} calls", after)):
        figures = f"{at['ours'] / 1e6:.1f} MB; {at['theirs'] / 1e6:.1f} MB"
        row = Row(
            f"resident memory {words}",
            "the do-nothing server",
            [at["ours"] / at["theirs"]],
            Target(1.3, at_least=False),
            figures,
        )
        report.rows.append(row)
    figures = "; ".join(f"{warm[name] / 1e6:.1f} MB, then {after[name] / 1e6:.1f} MB" for name in servers)
    row = Row(
        f"resident memory after {effort.calls} calls more",
        f"itself after {effort.calls // 50} calls",
        [after["ours"] / warm["ours"]],
        Target(1.03, at_least=False),
        figures,
    )
    report.rows.append(row)


async def attributes(report: Report, effort: Effort) -> None:
    """What attributes add to a call: 1 to 300 of them; a line, if each costs the same."""
    numbers = (1, 30, 75, 150, 225, 297)
    async with AsyncExitStack() as stack:
        env = environment(await stack.enter_async_context(responder()))
        server = await stack.enter_async_context(stdio_server(SERVER, env))
        contestants = {
            str(number): Calls(server, call_of("create_or_update_customer", _customer(number))) for number in numbers
        }
        seen = await in_turns(contestants, 32, effort)
    cpu = {number: statistics.median(sample.cpu for sample in seen[str(number)]) for number in numbers}
    slope, intercept = statistics.linear_regression(list(cpu), list(cpu.values()))
    share = statistics.correlation(list(cpu), list(cpu.values())) ** 2
    points = ", ".join(f"{number}: {seconds * 1000:.2f} ms" for number, seconds in cpu.items())
    report.notes.append(
        f"Processor time of a call by its attributes: {points}. The line through them: {intercept * 1000:.2f} ms and "
        f"{slope * 1e6:.2f} µs for each attribute; it explains {share:.1%} of the variance."
    )


def _customer(attributes: int) -> dict[str, object]:
    values = {f"attribute_{number}": f"value {number}" for number in range(attributes)}
    return {"customer_id": "1042", "email": "ann@example.com", "attributes": values}
