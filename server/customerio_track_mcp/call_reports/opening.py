"""Choose how a server reports its calls, if it does."""

from __future__ import annotations

from collections.abc import AsyncIterator, Container
from contextlib import asynccontextmanager

from customerio_track_mcp.call_reports.in_process import reports_in_process
from customerio_track_mcp.call_reports.middleware import CallReportMiddleware
from customerio_track_mcp.upstream import Upstream


@asynccontextmanager
async def open_call_reports(upstream: Upstream, tools: Container[str]) -> AsyncIterator[CallReportMiddleware | None]:
    """Yield what reports the calls of these tools; None for a server whose calls go to a workspace.

    A sandbox in this process gets them directly, and one in another process over HTTP, unless nothing is sent to it
    either, since this is a dry run.

    Raises:
        OSError: certificates that the environment names cannot be read.
    """
    if upstream.record_call is not None:
        yield CallReportMiddleware(tools, reports_in_process(upstream.record_call))
    elif upstream.is_sandbox and not upstream.settings.dry_run:
        from customerio_track_mcp.call_reports.loopback import reports_over_loopback

        async with reports_over_loopback(upstream.base_url) as record_call:
            yield CallReportMiddleware(tools, record_call)
    else:
        yield None
