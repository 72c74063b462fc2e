"""Calls per second and their durations, compared with baselines that are measured in turns with this server."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Final

import trustme

from benchmarks.clients import CLIENTS
from benchmarks.load import Sample
from benchmarks.processes import (
    NO_OP,
    SERVER,
    environment,
    http_command,
    no_op_http_command,
    python,
    responder,
)
from benchmarks.report import NO_OP_TOOL, Report, Row, Target
from benchmarks.rounds import ClientWorkload, Effort, ServerWorkload, measure_in_turns
from benchmarks.servers import EVENT, http_server, stdio_server, tool_call

_NEW_CLIENT: Final = "a new httpx client per call"
_STDIO_TARGETS: Final = {1: Target(0.7), 32: Target(0.85), 256: None}
"""By the number of calls in flight."""
_HTTP_TARGETS: Final[Mapping[tuple[bool, int], Target]] = {
    (True, 1): Target(0.52),
    (True, 32): Target(0.62),
    (False, 32): Target(0.85),
}
"""By whether the protocol is 2026-07-28, and the number of calls in flight."""
_LARGE_TARGET: Final = Target(0.6)


async def stdio(report: Report, effort: Effort) -> None:
    """Measure events over stdio."""
    request = tool_call("send_event", EVENT)
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(responder())
        env = environment(url)
        commands = {"ours": SERVER, "no-op": NO_OP, "httpx": python("httpx_default")}
        servers = {
            name: ServerWorkload(await stack.enter_async_context(stdio_server(command, env)), request)
            for name, command in commands.items()
        }
        pair = {name: servers[name] for name in ("ours", "no-op")}
        for in_flight, target in _STDIO_TARGETS.items():
            samples = await measure_in_turns(pair, in_flight, effort)
            ours, no_op = samples["ours"], samples["no-op"]
            report.add_rates(f"stdio, {in_flight} in flight", ours, NO_OP_TOOL, no_op, target)
            if in_flight == 32:
                _add_tail(report, "stdio", ours, no_op)
        new_client = ClientWorkload(_NEW_CLIENT, url, env)
        workloads = {"ours": servers["ours"], "httpx": servers["httpx"], "new client": new_client}
        samples = await measure_in_turns(workloads, 32, effort)
        for name, baseline, bound in (
            ("httpx", "the same tool on httpx's default transport", 2.0),
            ("new client", f"{_NEW_CLIENT}, without MCP", 20.0),
        ):
            report.add_rates("stdio, 32 in flight", samples["ours"], baseline, samples[name], Target(bound))


async def http(report: Report, effort: Effort) -> None:
    """Measure events over streamable HTTP: both protocol versions, both parsers, and two workers."""
    for modern in (True, False):
        await _one_worker(report, effort, modern=modern)
    await _two_workers(report, effort)


async def _one_worker(report: Report, effort: Effort, *, modern: bool) -> None:
    case = f"HTTP, protocol {'2026-07-28' if modern else '2025-11-25'}"
    request = tool_call("send_event", EVENT, modern=modern)
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(responder())
        commands = {
            "ours": (http_command(), "httptools"),
            "ours, h11": (http_command(), "h11"),
            "no-op": (no_op_http_command(), ""),
            "no-op, httptools": (no_op_http_command(parser="httptools"), ""),
        }
        servers = {}
        for name, (command, parser) in commands.items():
            env = environment(url, CUSTOMERIO_HTTP_PARSER=parser)
            server = await stack.enter_async_context(http_server(command, env, modern=modern))
            servers[name] = ServerWorkload(server, request)
        in_turns = {1: ("ours", "ours, h11", "no-op"), 32: tuple(servers), 256: ("ours", "no-op")}
        for in_flight, names in in_turns.items():
            samples = await measure_in_turns({name: servers[name] for name in names}, in_flight, effort)
            ours, no_op = samples["ours"], samples["no-op"]
            target = _HTTP_TARGETS.get((modern, in_flight))
            report.add_rates(f"{case}, {in_flight} in flight", ours, NO_OP_TOOL, no_op, target)
            if "ours, h11" in names:
                h11 = samples["ours, h11"]
                report.add_rates(f"{case}, with h11, {in_flight} in flight", h11, NO_OP_TOOL, no_op)
            if "no-op, httptools" in names:
                _add_tail(report, case, ours, no_op)
                faster = samples["no-op, httptools"]
                report.add_rates(f"{case}, {in_flight} in flight", ours, f"{NO_OP_TOOL} with httptools", faster)
                baseline = f"{NO_OP_TOOL} with httptools, {in_flight} in flight"
                report.add_rates(f"{case}, {baseline}", faster, "the same with h11", no_op)


async def _two_workers(report: Report, effort: Effort) -> None:
    case = "HTTP, protocol 2026-07-28, 2 workers"
    request = tool_call("send_event", EVENT, modern=True)
    async with AsyncExitStack() as stack:
        env = environment(await stack.enter_async_context(responder()))
        pair = {
            name: ServerWorkload(await stack.enter_async_context(http_server(command, env, modern=True)), request)
            for name, command in {"ours": http_command(2), "no-op": no_op_http_command(2)}.items()
        }
        for in_flight in (32, 256):
            samples = await measure_in_turns(pair, in_flight, effort)
            ours, no_op = samples["ours"], samples["no-op"]
            report.add_rates(f"{case}, {in_flight} in flight", ours, NO_OP_TOOL, no_op)
            if in_flight == 32:
                _add_tail(report, case, ours, no_op)


async def large(report: Report, effort: Effort) -> None:
    """Measure the largest calls: 1000 ids, and an event of 100 kB."""
    requests = {
        "a 1000-id segment call": tool_call(
            "add_customers_to_segment", {"segment_id": "7", "customer_ids": [f"customer-{n:05}" for n in range(1000)]}
        ),
        "a 100 kB event": tool_call("send_event", {**EVENT, "data": {**EVENT["data"], "text": "x" * 99_000}}),
    }
    async with AsyncExitStack() as stack:
        env = environment(await stack.enter_async_context(responder()))
        ours = await stack.enter_async_context(stdio_server(SERVER, env))
        no_op = await stack.enter_async_context(stdio_server(NO_OP, env))
        for name, request in requests.items():
            pair = {"ours": ServerWorkload(ours, request), "no-op": ServerWorkload(no_op, request)}
            samples = await measure_in_turns(pair, 32, effort)
            case = f"stdio, {name}, 32 in flight"
            report.add_rates(case, samples["ours"], NO_OP_TOOL, samples["no-op"], _LARGE_TARGET)


async def clients(report: Report, effort: Effort) -> None:
    """Measure this project's client and others, without MCP.

    All of them use TLS, since the packages `customerio` and `async-customerio` support nothing else.
    """
    with tempfile.TemporaryDirectory() as folder:
        authority = trustme.CA()
        authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(Path(folder, "server.pem"))
        trusted = str(Path(folder, "authority.pem"))
        authority.cert_pem.write_to_path(trusted)
        async with responder(Path(folder, "server.pem")) as url:
            env = environment(url, SSL_CERT_FILE=trusted, REQUESTS_CA_BUNDLE=trusted)
            workloads = {name: ClientWorkload(name, url, env) for name in CLIENTS}
            samples = await measure_in_turns(workloads, 32, effort)
    ours = samples.pop("TrackClient")
    for name, baseline in samples.items():
        report.add_rates("the client alone, TLS, 32 in flight", ours, name, baseline)


def _add_tail(report: Report, case: str, ours: Sequence[Sample], no_op: Sequence[Sample]) -> None:
    """Add a row that compares this server's p99 with its p50."""
    tails = [sample.p99 / sample.p50 for sample in ours]
    no_op_tail = statistics.median(sample.p99 / sample.p50 for sample in no_op)
    target = Target(3, at_least=False)
    report.rows.append(Row(f"{case}, 32 in flight, p99", "its own p50", tails, target, f"no-op tool: {no_op_tail:.2g}"))
