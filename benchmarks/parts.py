"""What each layer of a call adds, without MCP: the processor time up to and with it, in this process."""

from __future__ import annotations

import gc
import logging
import statistics
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack

import httpx

from benchmarks.load import Call, drive
from benchmarks.processes import responder
from benchmarks.report import Report
from benchmarks.rounds import Effort
from benchmarks.servers import EVENT
from customerio_track_mcp.instrumentation.calls import CallRecord, Notes
from customerio_track_mcp.instrumentation.logs import call_log
from customerio_track_mcp.tools.handlers import Tools
from customerio_track_mcp.track import Credentials, Patience, TrackClient
from customerio_track_mcp.track.operations import event
from customerio_track_mcp.track.session import Connection
from customerio_track_mcp.track.transports.pool import transport_to


async def parts(report: Report, effort: Effort) -> None:
    """Layer by layer, 32 in flight; the log goes nowhere."""
    async with AsyncExitStack() as stack:
        url = await stack.enter_async_context(responder())
        layers = await _layers(stack, url)
        for call in layers.values():
            await call()
        gc.freeze()  # as the server does
        seen: dict[str, list[float]] = {name: [] for name in layers}
        for _ in range(effort.rounds):
            for name, call in layers.items():
                seen[name].append((await drive(call, 32, effort.seconds / 3, time.process_time)).cpu)
    report.notes += ["", "| up to and with | processor time |", "| --- | ---: |"]
    report.notes += [f"| {name} | {statistics.median(each) * 1000:.3f} ms |" for name, each in seen.items()]


async def _layers(stack: AsyncExitStack, url: str) -> Mapping[str, Call]:
    credentials = Credentials("site", "key")
    transport, connection = transport_to(url, 64), Connection(credentials, url, Patience(), 64)
    client = await stack.enter_async_context(TrackClient(credentials, url, requests_per_second=100_000))
    stack.push_async_callback(transport.aclose)
    stack.push_async_callback(connection.aclose)
    tools, log = Tools(client), call_log(b"a key")
    request = event("1042", "purchase", data={"order": "A-17", "total": 49.9})
    timeout = httpx.Timeout(10).as_dict()
    logger = logging.getLogger("customerio_track_mcp")
    logger.setLevel(logging.INFO)
    logger.propagate = False
    logger.addHandler(logging.NullHandler())

    async def on_the_wire() -> None:
        await transport.handle_async_request(
            httpx.Request(
                request.method,
                url + request.path,
                headers={"Content-Type": "application/json"},
                content=request.content,
                extensions={"timeout": timeout},
            )
        )

    async def attempt() -> None:
        await connection.attempt(request, lambda: None)

    async def delivery() -> None:
        await client.send(request)

    async def tool() -> None:
        await tools.send_event(EVENT)

    async def logged() -> None:
        notes = Notes()
        await tools.send_event(EVENT, notes)
        log(CallRecord("send_event", 0.001, notes))

    return {
        "httpx's request, aiohttp's connection, httpx's response": on_the_wire,
        "an attempt: credentials, what the answer means": attempt,
        "a delivery: time budget, rate budget, what is known of the outcome": delivery,
        "the tool: arguments, limits, a ULID, the encoding, the words": tool,
        "the record for the log, not yet written": logged,
    }
