"""What the features for safe writes cost (docs/control.md), and the options of the HTTP service."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from contextlib import AsyncExitStack
from dataclasses import replace
from pathlib import Path
from typing import Final

from benchmarks.processes import NO_OP, SERVER, environment, http_command, no_op_http_command, responder
from benchmarks.report import NO_OP_TOOL, Report
from benchmarks.rounds import Effort, ServerWorkload, measure_in_turns
from benchmarks.servers import EVENT, ORDER, Server, http_server, stdio_server, tool_call

_DEFAULTS: Final = "this server with its defaults"
_NONE: Final = "no feature for safe writes"
_ALL: Final = "all features for safe writes"
_IDEMPOTENCY_KEY: Final = "an idempotency key in each call"
_TOKEN: Final = "benchmark-token-of-no-use-anywhere-else"  # noqa: S105
_META: Final = {"customerio-track-mcp/idempotency-key": f"order-{ORDER}"}

Variables = Mapping[str, str]


async def controls(report: Report, effort: Effort) -> None:
    """Measure events with the features for safe writes off, as by default, on, and each of them alone.

    Confirmation is on, but the host cannot ask a person, and the fallback allows the call. The turns are half as long
    as those of other benchmarks, since there are many.
    """
    effort = replace(effort, seconds=effort.seconds / 2)
    with tempfile.TemporaryDirectory() as folder:
        features = _features(Path(folder))
        everything = {name: value for variables in features.values() for name, value in variables.items()}
        configurations: dict[str, Variables] = {_DEFAULTS: {}, _NONE: {"CUSTOMERIO_RESEND_WINDOW": "0"}}
        configurations |= {_ALL: everything, **features}
        await _stdio(report, effort, configurations)
        await _http(report, effort, {name: configurations[name] for name in (_DEFAULTS, _NONE, _ALL)})


def _features(folder: Path) -> dict[str, Variables]:
    """Return the variables that turn each feature on, besides the resend window, which is on by default."""
    return {
        "allow lists": {
            "CUSTOMERIO_EVENTS": "purchase,order_*",
            "CUSTOMERIO_SEGMENTS": "7",
            "CUSTOMERIO_ATTRIBUTES": "plan,billing_*",
        },
        "maxima per hour": {
            "CUSTOMERIO_MAX_EVENTS_PER_HOUR": "1000000000",
            "CUSTOMERIO_MAX_PEOPLE_PER_HOUR": "1000000000",
        },
        "a pause file that does not exist": {"CUSTOMERIO_PAUSE_FILE": str(folder / "pause")},
        "confirmation, which the host does not support": {
            "CUSTOMERIO_CONFIRM": "send_event",
            "CUSTOMERIO_CONFIRM_FALLBACK": "allow",
        },
        "the write log": {"CUSTOMERIO_WRITE_LOG": str(folder / "writes.jsonl")},
    }


async def _stdio(report: Report, effort: Effort, configurations: Mapping[str, Variables]) -> None:
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(responder())
        servers: dict[str, Server] = {
            NO_OP_TOOL: await stack.enter_async_context(stdio_server(NO_OP, environment(url)))
        }
        for name, variables in configurations.items():
            servers[name] = await stack.enter_async_context(stdio_server(SERVER, environment(url, **variables)))
        await _compare(report, effort, "stdio", servers, modern=False)


async def _http(report: Report, effort: Effort, configurations: Mapping[str, Variables]) -> None:
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(responder())
        no_op = http_server(no_op_http_command(), environment(url), modern=True)
        servers: dict[str, Server] = {NO_OP_TOOL: await stack.enter_async_context(no_op)}
        more: dict[str, Variables] = {
            "a static token": {"CUSTOMERIO_HTTP_TOKENS": f"bench {_TOKEN} events:write events=purchase"},
            "traces": {"OTEL_EXPORTER_OTLP_ENDPOINT": url},
        }
        headers = {"Authorization": f"Bearer {_TOKEN}"}
        for name, variables in {**configurations, **more}.items():
            env = environment(url, **variables)
            server = http_server(http_command(), env, modern=True, more_headers=headers)
            servers[name] = await stack.enter_async_context(server)
        await _compare(report, effort, "HTTP, protocol 2026-07-28", servers, modern=True)


async def _compare(report: Report, effort: Effort, case: str, servers: Mapping[str, Server], *, modern: bool) -> None:
    """Add a row per server, compared with the defaults; those of several features also with the no-op tool."""
    request = tool_call("send_event", EVENT, modern=modern)
    workloads = {name: ServerWorkload(server, request) for name, server in servers.items()}
    with_key = tool_call("send_event", EVENT, modern=modern, meta=_META)
    workloads[_IDEMPOTENCY_KEY] = ServerWorkload(servers[_DEFAULTS], with_key)
    samples = await measure_in_turns(workloads, 32, effort)
    no_op, defaults = samples.pop(NO_OP_TOOL), samples.pop(_DEFAULTS)
    for name, ours in samples.items():
        if name in (_NONE, _ALL):
            report.add_rates(f"{case}, {name}, 32 in flight", ours, NO_OP_TOOL, no_op)
        report.add_rates(f"{case}, {name}, 32 in flight", ours, _DEFAULTS, defaults)
