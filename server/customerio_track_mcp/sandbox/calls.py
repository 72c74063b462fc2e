"""The tool calls that an MCP server reports to the sandbox, for the timeline."""

from __future__ import annotations

import json
import re
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Final

from customerio_track_mcp.sandbox.bounded_log import BoundedLog
from customerio_track_mcp.sandbox.bounds import MAX_CALL_BYTES, MAX_CALL_ID_CHARACTERS, MAX_ITEMS
from customerio_track_mcp.sandbox.json_values import compact, memory_of, parse_object
from customerio_track_mcp.sandbox.records import Change, ToolCall, instance_of, record_of

CALL_HEADER: Final = "X-Sandbox-Call"
"""The header by which a request to the Track API names the tool call that sent it."""

_ID: Final = re.compile(rf"[ -~]{{1,{MAX_CALL_ID_CHARACTERS}}}")


def is_call_id(text: str) -> bool:
    """Return whether a tool call may have this id: printable ASCII of limited length."""
    return _ID.fullmatch(text) is not None


class CallLog:
    """The tool calls.

    Attributes:
        log: the calls.
        on_change: called with each call that was added.
    """

    def __init__(self) -> None:
        self.log: BoundedLog[ToolCall] = BoundedLog()
        self.on_change: Callable[[Change], None] = lambda _: None
        self._ids: OrderedDict[str, None] = OrderedDict()

    def add(self, fields: Mapping[str, object]) -> None:
        """Add a call with the fields of `ToolCall` as JSON values, unless one of the newest calls has its id.

        A server that does not know whether a report has arrived repeats it.

        Raises:
            ValueError: a field is missing, unknown or of another type, or the call is larger than `MAX_CALL_BYTES`. The
                message does not quote values.
        """
        try:
            text = compact(fields)
        except (TypeError, ValueError, RecursionError):
            raise ValueError("not valid JSON") from None
        # Arguments that the server rejected may contain lone surrogates, which cannot be sent or stored.
        content = text.encode(errors="replace")
        if len(content) > MAX_CALL_BYTES:
            raise ValueError(f"the call is too large: the maximum is {MAX_CALL_BYTES} bytes of JSON")
        call = _validated(parse_object(content))
        if call.id in self._ids:
            return
        number = self.log.add(call, memory_of(record_of(call)))
        self._remember(call)
        self.on_change(Change("call", str(number), record_of(call)))

    def add_json(self, content: bytes) -> None:
        """Add a call that was received as JSON.

        Raises:
            ValueError: as `add`.
        """
        try:
            fields = json.loads(content)
        except (ValueError, RecursionError):
            raise ValueError("not valid JSON") from None
        self.add(fields)

    def restore(self, change: Change) -> None:
        """Restore a call from storage.

        Raises:
            ValueError: the record is invalid. The message does not quote it.
        """
        call = _validated(change.record)
        self.log.add(call, memory_of(change.record), int(change.key))
        self._remember(call)

    def clear(self) -> None:
        """Remove every call."""
        self.log.clear()
        self._ids.clear()

    def _remember(self, call: ToolCall) -> None:
        self._ids[call.id] = None
        if len(self._ids) > MAX_ITEMS:
            self._ids.popitem(last=False)


def _validated(record: Mapping[str, object]) -> ToolCall:
    call = instance_of(ToolCall, record)
    if not is_call_id(call.id):
        raise ValueError(f"id: expected 1 to {MAX_CALL_ID_CHARACTERS} printable ASCII characters")
    return call
