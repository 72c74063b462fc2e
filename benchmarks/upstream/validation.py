"""The SDK's models of a tool call: parameters are validated twice, a result is serialized three times."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from typing import Any

import mcp_types as types
from mcp_types import methods

from benchmarks.upstream.interleaved import Run, compare

_VERSION = "2026-07-28"
_PARAMS: dict[str, Any] = {
    "name": "send_event",
    "arguments": {"customer_id": "1042", "event_name": "purchase", "data": {"order": "A-17", "total": 49.9}},
    "_meta": {
        "io.modelcontextprotocol/protocolVersion": _VERSION,
        "io.modelcontextprotocol/clientInfo": {"name": "demo", "version": "1"},
        "io.modelcontextprotocol/clientCapabilities": {},
    },
}
_PAYLOAD = {"success": True, "message": "The Track API accepted event 'purchase' for customer '1042'."}
_RESULT = types.CallToolResult(
    content=[types.TextContent(type="text", text=json.dumps(_PAYLOAD))], structured_content=_PAYLOAD
)


def _validate_twice() -> None:
    """Do as `ServerRunner._on_request` does."""
    methods.validate_client_request("tools/call", _VERSION, _PARAMS)
    types.CallToolRequestParams.model_validate(_PARAMS, by_name=False)


def _validate_once() -> None:
    types.CallToolRequestParams.model_validate(_PARAMS, by_name=False)


def _dump_validate_and_dump() -> None:
    """Do as `ServerRunner._serialize` and the transport do."""
    dumped = _RESULT.model_dump(by_alias=True, mode="json", exclude_none=True)
    dumped = methods.serialize_server_result("tools/call", _VERSION, dumped)
    response = types.JSONRPCResponse(jsonrpc="2.0", id=1, result=dumped)
    json.dumps(response.model_dump(mode="json", by_alias=True, exclude_none=True), separators=(",", ":"))


def _dump_once() -> None:
    """Serialize the result, whose class the handler has already validated, and put it into its envelope."""
    b'{"jsonrpc":"2.0","id":1,"result":%b}' % _RESULT.model_dump_json(by_alias=True, exclude_none=True).encode()


def _repeat(function: Callable[[], None]) -> Run:
    async def run(calls: int) -> None:
        for _ in range(calls):
            function()

    return run


async def _main() -> None:
    await compare("the parameters of a request", {"twice": _repeat(_validate_twice), "once": _repeat(_validate_once)})
    await compare(
        "the result of a call",
        {"dump, validate, dump, dump": _repeat(_dump_validate_and_dump), "dump once": _repeat(_dump_once)},
    )


asyncio.run(_main())
