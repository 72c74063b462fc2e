"""A tool call that will be reported, from its start to its report."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Final

from mcp.shared.exceptions import MCPError
from ulid import ULID

from customerio_track_mcp.instrumentation.calls import CallRecord, Outcome
from customerio_track_mcp.track import shorten

PROTOCOL_ERROR: Final = "protocol_error"
"""The outcome of a call that gets a JSON-RPC error, such as one with an invalid `requestState`. It is not logged."""

_MAX_CLIENT_CHARACTERS: Final = 100


@dataclass(slots=True)
class RunningCall:
    """A tool call that has begun.

    Attributes:
        tool: the tool's name.
        arguments: as the host sent them, which need not be an object.
        id: names the call in its report and in its requests to the sandbox.
        at: when it began, in UNIX seconds.
        started: the same, on the clock that measures durations.
        record: what logs receive of it, once it has ended; None if it got a JSON-RPC error.
    """

    tool: str
    arguments: object
    id: str = field(default_factory=lambda: str(ULID()))
    at: float = field(default_factory=time.time)
    started: float = field(default_factory=time.perf_counter)
    record: CallRecord | None = None

    def report(self, result: Mapping[str, Any] | None, error: BaseException | None) -> dict[str, object]:
        """Return the fields of the sandbox's `ToolCall`, as JSON values.

        Args:
            result: the result as the host receives it; None if there is none.
            error: why there is none.
        """
        result = result or {}
        return {
            "id": self.id,
            "at": self.at,
            "seconds": time.perf_counter() - self.started,
            "tool": self.tool,
            "arguments": self.arguments,
            "result": _payload(result, error),
            "is_error": bool(result.get("isError")) or isinstance(error, Exception),
            "outcome": self._outcome(error),
            "meta": result.get("_meta"),
            "client": self._client(),
        }

    def _outcome(self, error: BaseException | None) -> str:
        if self.record is not None:
            return str(self.record.context.outcome)
        return PROTOCOL_ERROR if isinstance(error, Exception) else str(Outcome.CANCELED)

    def _client(self) -> str:
        if self.record is None:
            return ""
        context = self.record.context
        names = (shorten(name, _MAX_CLIENT_CHARACTERS) for name in (context.client_name, context.client_version))
        return " ".join(filter(None, names))


running_call: Final[ContextVar[RunningCall | None]] = ContextVar("running_call", default=None)
"""The call that this task handles, if it will be reported."""


def _payload(result: Mapping[str, Any], error: BaseException | None) -> object:
    """Return the payload of a result, the question in a result that asks one, or the text of a JSON-RPC error."""
    if isinstance(error, MCPError):
        return {"error": error.error.message}
    if questions := result.get("inputRequests"):  # without the state, which only the host that was asked may use
        return {"inputRequests": questions}
    return result.get("structuredContent")
