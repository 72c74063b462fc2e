"""The SDK's span of each request, when no OpenTelemetry SDK is configured."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import anyio
import mcp_types as types
from mcp.server import Server, ServerRequestContext
from mcp.shared.memory import create_client_server_memory_streams
from mcp.shared.message import SessionMessage

from benchmarks.upstream.interleaved import Run, compare

_PARAMS = {
    "name": "tool",
    "arguments": {},
    "_meta": {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    },
}


async def _call_tool(context: ServerRequestContext[Any], params: object) -> types.CallToolResult:
    del context, params
    return types.CallToolResult(content=[])


@asynccontextmanager
async def _calls_to(server: Server[Any]) -> AsyncIterator[Run]:
    """Run a server on streams in memory, and yield what calls its tool."""
    async with create_client_server_memory_streams() as (client, served), anyio.create_task_group() as tasks:
        tasks.start_soon(server.run, *served, server.create_initialization_options())
        responses, requests = client

        async def run(calls: int) -> None:
            for number in range(calls):
                request = types.JSONRPCRequest(jsonrpc="2.0", id=number, method="tools/call", params=_PARAMS)
                await requests.send(SessionMessage(request))
                received = await responses.receive()
                assert isinstance(received, SessionMessage)
                assert isinstance(received.message, types.JSONRPCResponse)

        yield run
        tasks.cancel_scope.cancel()


async def _main() -> None:
    with_spans, without = (Server[Any]("demo", on_call_tool=_call_tool) for _ in range(2))
    without.middleware.clear()
    async with AsyncExitStack() as stack:
        variants = {
            "with it": await stack.enter_async_context(_calls_to(with_spans)),
            "without": await stack.enter_async_context(_calls_to(without)),
        }
        await compare("the span of a request, without an OpenTelemetry SDK", variants)


asyncio.run(_main())
