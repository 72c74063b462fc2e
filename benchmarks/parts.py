"""What each layer of a call adds, without MCP: the CPU time up to and including it, measured in this process."""

from __future__ import annotations

import gc
import logging
import statistics
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack

from benchmarks.load import Call, measure
from benchmarks.processes import responder
from benchmarks.report import Report
from benchmarks.rounds import Effort
from benchmarks.servers import EVENT
from customerio_track_mcp.control import call as controlled
from customerio_track_mcp.instrumentation.calls import CallRecord
from customerio_track_mcp.instrumentation.logs import call_log
from customerio_track_mcp.tools.handlers import ToolHandlers
from customerio_track_mcp.track import Credentials, RetryPolicy, TrackClient, operations
from customerio_track_mcp.track.session import Session


async def parts(report: Report, effort: Effort) -> None:
    """Measure each layer with 32 calls in flight; log records are discarded."""
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(responder())
        layers = await _layers(stack, url)
        for call in layers.values():
            await call()
        gc.freeze()  # as the server does
        cpu: dict[str, list[float]] = {name: [] for name in layers}
        for _ in range(effort.rounds):
            for name, call in layers.items():
                cpu[name].append((await measure(call, 32, effort.seconds / 3, time.process_time)).cpu)
    report.notes += ["", "| up to and including | CPU time |", "| --- | ---: |"]
    report.notes += [f"| {name} | {statistics.median(seconds) * 1000:.3f} ms |" for name, seconds in cpu.items()]


async def _layers(stack: AsyncExitStack, url: str) -> Mapping[str, Call]:
    """Return a call of each layer, innermost first. The layers are built by hand here, to call them one by one."""
    credentials = Credentials("site", "key")
    session = Session(credentials, url, RetryPolicy(), 64)
    client = await stack.enter_async_context(TrackClient(credentials, url, requests_per_second=100_000))
    stack.push_async_callback(session.aclose)
    handlers, log = ToolHandlers(client), call_log(b"a key")
    request = operations.track("1042", "purchase", data={"order": "A-17", "total": 49.9})
    logger = logging.getLogger("customerio_track_mcp")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logger.addHandler(logging.NullHandler())

    async def call_session() -> None:
        await session.attempt(request, 1, lambda: None)

    async def call_client() -> None:
        await client.send(request)

    async def call_handler() -> None:
        await handlers.send_event(EVENT)

    async def call_handler_and_log() -> None:
        call = controlled.Call()
        await handlers.send_event(EVENT, call)
        log(CallRecord("send_event", 0.001, call.record))

    return {
        "attempt: request, connection, parsing the response": call_session,
        "send: deadline, rate limit, outcome": call_client,
        "tool: arguments, limits, ULID, encoding, message": call_handler,
        "log record, not written": call_handler_and_log,
    }
