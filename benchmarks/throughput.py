"""Calls per second and how long they take, against references that take turns with this server."""

from __future__ import annotations

import statistics
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Final

import trustme

from benchmarks.clients import CLIENTS
from benchmarks.load import Sample
from benchmarks.processes import DO_NOTHING, SERVER, environment, python, responder
from benchmarks.report import Report, Row, Target, ratios, told
from benchmarks.rounds import Calls, Client, Effort, in_turns
from benchmarks.servers import EVENT, call_of, http_server, stdio_server

_NOTHING: Final = "the SDK's do-nothing tool"
_IN_FLIGHT: Final = (1, 32, 256)


async def stdio(report: Report, effort: Effort) -> None:
    """Events over standard input and output."""
    request = call_of("send_event", EVENT)
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(responder())
        env = environment(url)
        servers = {"ours": SERVER, _NOTHING: DO_NOTHING, "httpx": python("httpx_default")}
        running = {
            name: Calls(await stack.enter_async_context(stdio_server(command, env)), request)
            for name, command in servers.items()
        }
        pair = {name: running[name] for name in ("ours", _NOTHING)}
        for in_flight in _IN_FLIGHT:
            seen = await in_turns(pair, in_flight, effort)
            _compare(report, f"stdio, {in_flight} in flight", seen, Target(0.6) if in_flight == 32 else None)
            if in_flight == 32:
                _tail(report, "stdio", seen)
        per_call = "a new httpx client per call"
        others = {"ours": running["ours"], "httpx": running["httpx"], per_call: Client(per_call, url, env)}
        seen = await in_turns(others, 32, effort)
        for name, words, bound in (
            ("httpx", "the same tool on httpx's default transport", 2.0),
            (per_call, f"{per_call}, without MCP", 20.0),
        ):
            _compare(report, "stdio, 32 in flight", {"ours": seen["ours"], words: seen[name]}, Target(bound))


async def http(report: Report, effort: Effort) -> None:
    """Events over streamable HTTP, by both generations of the protocol, with one worker and with two."""
    for modern, workers in ((True, 1), (False, 1), (True, 2)):
        protocol = "2026-07-28" if modern else "2025-11-25"
        name = f"HTTP, protocol {protocol}, {workers} {'worker' if workers == 1 else 'workers'}"
        request = call_of("send_event", EVENT, modern=modern)
        async with _http_pair(request, modern=modern, workers=workers) as pair:
            for in_flight in _IN_FLIGHT:
                seen = await in_turns(pair, in_flight, effort)
                target = Target(0.6) if (workers, in_flight) == (1, 32) else None
                _compare(report, f"{name}, {in_flight} in flight", seen, target)
                if in_flight == 32:
                    _tail(report, name, seen)


async def large(report: Report, effort: Effort) -> None:
    """The largest calls: a thousand ids, and an event of 100 kB."""
    calls = {
        "a 1000-id segment call": call_of(
            "add_customers_to_segment", {"segment_id": "7", "customer_ids": [f"customer-{n:05}" for n in range(1000)]}
        ),
        "a 100 kB event": call_of("send_event", EVENT | {"data": {"text": "x" * 99_000}}),
    }
    async with AsyncExitStack() as stack:
        env = environment(await stack.enter_async_context(responder()))
        ours = await stack.enter_async_context(stdio_server(SERVER, env))
        nothing = await stack.enter_async_context(stdio_server(DO_NOTHING, env))
        for words, request in calls.items():
            pair = {"ours": Calls(ours, request), _NOTHING: Calls(nothing, request)}
            _compare(report, f"stdio, {words}, 32 in flight", await in_turns(pair, 32, effort))


async def clients(report: Report, effort: Effort) -> None:
    """Without MCP, over TLS since that is all the others speak: this project's client, and others."""
    with tempfile.TemporaryDirectory() as folder:
        authority = trustme.CA()
        authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(Path(folder, "server.pem"))
        trusted = str(Path(folder, "authority.pem"))
        authority.cert_pem.write_to_path(trusted)
        async with responder(Path(folder, "server.pem")) as url:
            env = environment(url, SSL_CERT_FILE=trusted, REQUESTS_CA_BUNDLE=trusted)
            contestants = {name: Client(name, url, env) for name in CLIENTS}
            seen = await in_turns(contestants, 32, effort)
    ours = seen.pop("TrackClient")
    for name, theirs in seen.items():
        _compare(report, "the client alone, TLS, 32 in flight", {"ours": ours, name: theirs})


@asynccontextmanager
async def _http_pair(request: bytes, *, modern: bool, workers: int) -> AsyncIterator[dict[str, Calls]]:
    async with AsyncExitStack() as stack:
        env = environment(await stack.enter_async_context(responder()))
        commands = {
            "ours": (*SERVER, "http", "--port", "PORT", "--workers", str(workers)),
            _NOTHING: python("do_nothing", "http", str(workers)),
        }
        yield {
            name: Calls(await stack.enter_async_context(http_server(command, env, modern=modern)), request)
            for name, command in commands.items()
        }


def _compare(report: Report, case: str, seen: Mapping[str, list[Sample]], target: Target | None = None) -> None:
    (_, ours), (name, theirs) = seen.items()
    each = ratios(ours, theirs, lambda sample: sample.rate)
    report.rows.append(Row(f"{case}, calls per second", name, each, target, f"{told(ours)}; {told(theirs)}"))


def _tail(report: Report, case: str, seen: Mapping[str, list[Sample]]) -> None:
    each = [sample.p99 / sample.p50 for sample in seen["ours"]]
    nothing = statistics.median(sample.p99 / sample.p50 for sample in seen[_NOTHING])
    row = Row(
        f"{case}, 32 in flight, p99", "its own p50", each, Target(3, at_least=False), f"; do-nothing {nothing:.2g}"
    )
    report.rows.append(row)
