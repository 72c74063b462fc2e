"""What is received of a collector's responses."""

from __future__ import annotations

import gzip

import pytest
from anyio import to_thread
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.trace.export import SpanExportResult

from customerio_track_mcp.instrumentation.collector_session import collector_session
from tests.support.scripted_server import Act, Flood, ScriptedServer, raw_and_close, respond

BLOCK = b"x" * 65_536
HEAD = b"HTTP/1.1 200 OK\r\n"
BOMB = gzip.compress(b"x" * 1_000_000)


async def export(server: ScriptedServer, times: int = 1) -> set[SpanExportResult]:
    """Export no spans, as many times with one exporter, and return the results."""
    exporter = OTLPSpanExporter(f"{server.url}/v1/traces", session=collector_session(), timeout=5)
    try:
        return {await to_thread.run_sync(exporter.export, []) for _ in range(times)}
    finally:
        exporter.shutdown()  # type: ignore[no-untyped-call]


@pytest.mark.parametrize(
    "start",
    [
        HEAD + b"\r\n",
        HEAD + b"Content-Length: 4000000000\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n8000000\r\n",
    ],
    ids=["until the connection ends", "of a length", "in chunks"],
)
async def test_endless_body_is_not_received(scripted: ScriptedServer, start: bytes) -> None:
    act = Flood(start, BLOCK)
    scripted.acts = [act]
    assert await export(scripted) == {SpanExportResult.SUCCESS}
    await scripted.client_left.wait()
    assert act.sent < 24_000_000  # what the buffers of the operating system take


async def test_body_that_ends_early_does_not_change_the_status(scripted: ScriptedServer) -> None:
    scripted.acts = [raw_and_close(HEAD + b"Content-Length: 100\r\n\r\n{}")]
    assert await export(scripted) == {SpanExportResult.SUCCESS}


@pytest.mark.parametrize(
    "act",
    [respond(200, ""), respond(200, "{}"), respond(200, BOMB, Content_Encoding="gzip")],
    ids=["empty", "short", "compressed"],
)
async def test_connection_is_used_again(scripted: ScriptedServer, act: Act) -> None:
    scripted.acts = [act] * 3
    assert await export(scripted, times=3) == {SpanExportResult.SUCCESS}
    assert len(scripted.requests) == 3
    assert scripted.connections == 1


async def test_rejected_spans_are_a_failure(scripted: ScriptedServer) -> None:
    scripted.acts = [respond(400, '{"message": "invalid"}')]
    assert await export(scripted) == {SpanExportResult.FAILURE}
