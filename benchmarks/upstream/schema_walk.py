"""The walks through a tool's input schema on each call over HTTP, in search of headers that it does not declare."""

from __future__ import annotations

import asyncio
from typing import Any

from mcp.shared.inbound import validate_mcp_param_headers, x_mcp_header_map

from benchmarks.upstream.interleaved import compare

_TEXT = {"type": "string", "minLength": 1, "maxLength": 150}
_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "customer_id": _TEXT,
        "event_name": _TEXT,
        "event_type": {"anyOf": [{"enum": ["event", "page", "screen"]}, {"type": "null"}], "default": None},
        "timestamp": {"anyOf": [{"type": "integer"}, {"type": "string"}, {"type": "null"}], "default": None},
        "data": {"anyOf": [{"type": "object", "additionalProperties": True}, {"type": "null"}], "default": None},
    },
    "required": ["customer_id", "event_name"],
}
_ARGUMENTS = {"customer_id": "1042", "event_name": "purchase", "data": {"order": "A-17", "total": 49.9}}
_HEADERS = {
    "host": "127.0.0.1:8000",
    "accept": "application/json, text/event-stream",
    "content-type": "application/json",
    "content-length": "300",
    "mcp-protocol-version": "2026-07-28",
    "mcp-method": "tools/call",
    "mcp-name": "send_event",
}


async def _walk_in_each_call(calls: int) -> None:
    for _ in range(calls):
        assert validate_mcp_param_headers(_SCHEMA, _ARGUMENTS, _HEADERS) is None


async def _walk_once(calls: int) -> None:
    declared = x_mcp_header_map(_SCHEMA)
    for _ in range(calls):
        assert not declared or validate_mcp_param_headers(_SCHEMA, _ARGUMENTS, _HEADERS) is None


asyncio.run(compare("a schema without `x-mcp-header`", {"each call": _walk_in_each_call, "once": _walk_once}))
