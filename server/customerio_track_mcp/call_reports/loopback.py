"""Report calls to a sandbox in another process, in the background."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

import anyio
import httpx

from customerio_track_mcp.call_reports.encoding import encode_report, without_arguments
from customerio_track_mcp.call_reports.report_queue import ReportQueue
from customerio_track_mcp.call_reports.sandbox_connection import (
    NoSandboxError,
    RejectedReportError,
    SandboxConnection,
)
from customerio_track_mcp.upstream import RecordCall

logger = logging.getLogger("customerio_track_mcp.calls")

_SECONDS_BETWEEN_FAILURES: Final = 3.0
_CLOSE_TIMEOUT: Final = 1.0


@asynccontextmanager
async def reports_over_loopback(base_url: str) -> AsyncIterator[RecordCall]:
    """Yield a function that queues a report for the sandbox at `base_url`. It neither waits nor raises.

    At the end of the block, what is queued is sent, for at most a second.

    Raises:
        OSError: certificates that the environment names cannot be read.
    """
    queue = ReportQueue()
    async with SandboxConnection(base_url) as connection:
        sending = asyncio.create_task(_send_all(queue, connection))
        try:
            yield lambda fields: queue.add(encode_report(fields))
        finally:
            queue.close()
            with anyio.CancelScope(shield=True):
                await asyncio.wait([sending], timeout=_CLOSE_TIMEOUT)
                sending.cancel()
                with suppress(asyncio.CancelledError):
                    await sending
            if lost := queue.dropped + len(queue):
                logger.debug("call reports lost", extra={"reports": lost})


async def _send_all(queue: ReportQueue, connection: SandboxConnection) -> None:
    """Send reports until the queue is closed and empty, or closed and the sandbox is not there."""
    while (report := await queue.next()) is not None:
        try:
            await _send(report, connection)
        except NoSandboxError as error:
            queue.put_back(report)
            _log(error)
        except RejectedReportError as error:
            _log(error)
            continue  # the next one may be accepted
        except Exception as error:  # noqa: BLE001 - the server goes on; the sandbox may have the report
            _log(error)
        else:
            continue
        if queue.is_closed:
            return
        await queue.wait_for_close(_SECONDS_BETWEEN_FAILURES)


def _log(error: Exception) -> None:
    # Not the text of the error, which may contain personal data.
    logger.debug("call reports delayed", extra={"error": type(error.__cause__ or error).__name__})


async def _send(report: bytes, connection: SandboxConnection) -> None:
    try:
        await _post(report, connection)
    except RejectedReportError:
        fields = without_arguments(json.loads(report), "the sandbox does not accept them")
        await _post(encode_report(fields), connection)


async def _post(report: bytes, connection: SandboxConnection) -> None:
    try:
        await connection.post(report)
    except (httpx.TransportError, TimeoutError):
        await connection.post(report)  # the sandbox ignores it if it has it already
