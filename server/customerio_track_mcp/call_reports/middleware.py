"""Report each call of a known tool, whatever becomes of it."""

from __future__ import annotations

import logging
from collections.abc import Container, Mapping
from typing import Any, Final

from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from pydantic import BaseModel

from customerio_track_mcp.call_reports.running_call import RunningCall, running_call
from customerio_track_mcp.instrumentation.calls import CallRecord
from customerio_track_mcp.upstream import RecordCall

logger = logging.getLogger("customerio_track_mcp.calls")

_METHOD: Final = "tools/call"


class CallReportMiddleware:
    """Reports each call of a tool once, when it has ended: refused, canceled and failed ones too.

    This is a middleware of the SDK's server, an interface that may change in a minor release of the SDK. It must see
    the arguments, and the results that other middleware returns.

    Args:
        tools: the names of the tools.
        record_call: receives the reports.
    """

    def __init__(self, tools: Container[str], record_call: RecordCall) -> None:
        self._tools = tools
        self._record_call = record_call

    async def __call__(self, ctx: ServerRequestContext[Any], call_next: CallNext) -> HandlerResult:
        """Handle a message, and report it if it is a call."""
        params = ctx.params or {}
        tool = params.get("name") if ctx.method == _METHOD else None
        if not isinstance(tool, str) or tool not in self._tools:
            return await call_next(ctx)
        call = RunningCall(tool, params.get("arguments"))
        token = running_call.set(call)
        try:
            result = await call_next(ctx)
        except BaseException as error:  # canceled, too
            self._report(call, None, error)
            raise
        finally:
            running_call.reset(token)
        self._report(call, result, None)
        return result

    def on_call(self, record: CallRecord) -> None:
        """Add to the running call what logs receive of it."""
        if (call := running_call.get()) is not None:
            call.record = record

    def _report(self, call: RunningCall, result: HandlerResult, error: BaseException | None) -> None:
        try:
            self._record_call(call.report(_as_mapping(result), error))
        except Exception as failure:  # noqa: BLE001 - a report must not fail a call; the text may contain personal data
            logger.debug("call report failed", extra={"error": type(failure).__name__})


def _as_mapping(result: HandlerResult) -> Mapping[str, Any] | None:
    return result.model_dump(mode="json", by_alias=True) if isinstance(result, BaseModel) else result
