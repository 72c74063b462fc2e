"""A response that may become an event stream, and one that is always JSON, without a socket."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from contextlib import AsyncExitStack
from typing import Any

import mcp_types as types
from mcp.server import Server, ServerRequestContext

from benchmarks.upstream.interleaved import Run, compare

_META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
}


async def _call_tool(context: ServerRequestContext[Any], params: object) -> types.CallToolResult:
    del context, params
    return types.CallToolResult(content=[types.TextContent(type="text", text="done")])


def _calls_to(app: Any, version: str) -> Run:
    """Return what calls the tool of an ASGI application."""
    params: dict[str, Any] = {"name": "tool", "arguments": {}}
    if version == "2026-07-28":
        params["_meta"] = _META
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).encode()
    headers = {
        "host": "127.0.0.1:8000",
        "accept": "application/json, text/event-stream",
        "content-type": "application/json",
        "content-length": str(len(body)),
        "mcp-protocol-version": version,
        "mcp-method": "tools/call",
        "mcp-name": "tool",
    }
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": "POST",
        "scheme": "http",
        "path": "/mcp",
        "raw_path": b"/mcp",
        "root_path": "",
        "query_string": b"",
        "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
        "server": ("127.0.0.1", 8000),
        "client": ("127.0.0.1", 50_000),
    }

    async def call() -> None:
        received, sent = False, bytearray()
        ended = asyncio.Event()

        async def receive() -> Mapping[str, object]:
            nonlocal received
            if received:
                await ended.wait()
                return {"type": "http.disconnect"}
            received = True
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Mapping[str, Any]) -> None:
            sent.extend(message.get("body", b""))

        await app(dict(scope), receive, send)
        ended.set()
        assert b'"done"' in sent, bytes(sent)

    async def run(calls: int) -> None:
        for _ in range(calls):
            await call()

    return run


async def _main() -> None:
    async with AsyncExitStack() as stack:
        apps = {}
        for name, is_json in {"default": False, "json_response=True": True}.items():
            server = Server[Any]("demo", on_call_tool=_call_tool, get_tool_input_schema=lambda _: None)
            app = apps[name] = server.streamable_http_app(stateless_http=True, json_response=is_json)
            await stack.enter_async_context(app.router.lifespan_context(app))
        for version in ("2026-07-28", "2025-11-25"):
            variants = {name: _calls_to(app, version) for name, app in apps.items()}
            await compare(f"a call, protocol {version}", variants)


asyncio.run(_main())
