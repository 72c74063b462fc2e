"""Calls per second and their durations, compared with baselines that are measured in turns with this server."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

import trustme

from benchmarks.clients import CLIENTS
from benchmarks.load import Sample
from benchmarks.processes import NO_OP, SERVER, environment, python, responder
from benchmarks.report import Report, Row, Target, ratios, summary
from benchmarks.rounds import ClientWorkload, Effort, ServerWorkload, measure_in_turns
from benchmarks.servers import EVENT, http_server, stdio_server, tool_call

_NO_OP_TOOL: Final = "the SDK's no-op tool"
_NEW_CLIENT: Final = "a new httpx client per call"
_IN_FLIGHT: Final = (1, 32, 256)


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
        for in_flight in _IN_FLIGHT:
            samples = await measure_in_turns(pair, in_flight, effort)
            ours, no_op = samples["ours"], samples["no-op"]
            target = Target(0.6) if in_flight == 32 else None
            _add_rate(report, f"stdio, {in_flight} in flight", ours, _NO_OP_TOOL, no_op, target)
            if in_flight == 32:
                _add_tail(report, "stdio", ours, no_op)
        new_client = ClientWorkload(_NEW_CLIENT, url, env)
        workloads = {"ours": servers["ours"], "httpx": servers["httpx"], "new client": new_client}
        samples = await measure_in_turns(workloads, 32, effort)
        for name, baseline, bound in (
            ("httpx", "the same tool on httpx's default transport", 2.0),
            ("new client", f"{_NEW_CLIENT}, without MCP", 20.0),
        ):
            _add_rate(report, "stdio, 32 in flight", samples["ours"], baseline, samples[name], Target(bound))


async def http(report: Report, effort: Effort) -> None:
    """Measure events over streamable HTTP, with both protocol versions, and with one worker and two."""
    for modern, workers in ((True, 1), (False, 1), (True, 2)):
        protocol = "2026-07-28" if modern else "2025-11-25"
        case = f"HTTP, protocol {protocol}, {workers} {'worker' if workers == 1 else 'workers'}"
        request = tool_call("send_event", EVENT, modern=modern)
        async with _http_pair(request, modern=modern, workers=workers) as pair:
            for in_flight in _IN_FLIGHT:
                samples = await measure_in_turns(pair, in_flight, effort)
                ours, no_op = samples["ours"], samples["no-op"]
                target = Target(0.6) if (workers, in_flight) == (1, 32) else None
                _add_rate(report, f"{case}, {in_flight} in flight", ours, _NO_OP_TOOL, no_op, target)
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
            _add_rate(report, f"stdio, {name}, 32 in flight", samples["ours"], _NO_OP_TOOL, samples["no-op"])


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
        _add_rate(report, "the client alone, TLS, 32 in flight", ours, name, baseline)


@asynccontextmanager
async def _http_pair(request: bytes, *, modern: bool, workers: int) -> AsyncIterator[dict[str, ServerWorkload]]:
    async with AsyncExitStack() as stack:
        env = environment(await stack.enter_async_context(responder()))
        commands = {
            "ours": (*SERVER, "http", "--port", "PORT", "--workers", str(workers)),
            "no-op": python("no_op", "http", str(workers)),
        }
        yield {
            name: ServerWorkload(await stack.enter_async_context(http_server(command, env, modern=modern)), request)
            for name, command in commands.items()
        }


def _add_rate(
    report: Report,
    case: str,
    ours: Sequence[Sample],
    baseline_name: str,
    baseline: Sequence[Sample],
    target: Target | None = None,
) -> None:
    """Add a row that compares calls per second."""
    figures = f"{summary(ours)}; {summary(baseline)}"
    rates = ratios(ours, baseline, lambda sample: sample.rate)
    report.rows.append(Row(f"{case}, calls per second", baseline_name, rates, target, figures))


def _add_tail(report: Report, case: str, ours: Sequence[Sample], no_op: Sequence[Sample]) -> None:
    """Add a row that compares this server's p99 with its p50."""
    tails = [sample.p99 / sample.p50 for sample in ours]
    no_op_tail = statistics.median(sample.p99 / sample.p50 for sample in no_op)
    target = Target(3, at_least=False)
    report.rows.append(Row(f"{case}, 32 in flight, p99", "its own p50", tails, target, f"no-op tool: {no_op_tail:.2g}"))
