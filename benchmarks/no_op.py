"""The no-op server: the SDK's low-level server with one tool that returns a constant, over the SDK's own transports.

The result has the size and shape of a real one, so that serializing it costs the same.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from typing import Any, Literal

import anyio
import mcp_types as types
from mcp.server import Server, ServerRequestContext
from mcp.server.stdio import stdio_server

_TEXT = {"type": "string"}
_INPUT_SCHEMA = {
    "type": "object",
    "properties": {"customer_id": _TEXT, "event_name": _TEXT, "event_type": _TEXT, "data": {"type": "object"}},
}
_TOOL = types.Tool(name="send_event", input_schema=_INPUT_SCHEMA, output_schema={"type": "object"})
_RESULT = {
    "success": True,
    "error": None,
    "message": "The Track API accepted event 'purchase' for customer '1042'; "
    "the event id is 01KT5Y3Q6ZJ8M4W2C9R7N1XBDF.",
    "customer_id": "1042",
    "event_name": "purchase",
}
_RESULT_AS_TEXT = json.dumps(_RESULT)


async def _list_tools(context: ServerRequestContext[Any], params: object) -> types.ListToolsResult:
    del context, params
    return types.ListToolsResult(tools=[_TOOL])


async def _call_tool(context: ServerRequestContext[Any], params: object) -> types.CallToolResult:
    del context, params
    content = [types.TextContent(type="text", text=_RESULT_AS_TEXT)]
    return types.CallToolResult(content=content, structured_content=_RESULT)


def create_server() -> Server[Any]:
    """Create the MCP server, for any transport."""
    return Server(
        "no-op",
        on_list_tools=_list_tools,
        on_call_tool=_call_tool,
        get_tool_input_schema=lambda _: _TOOL.input_schema,
    )


def create_app() -> Any:
    """Create the ASGI application that the SDK provides for a service without sessions."""
    return create_server().streamable_http_app(stateless_http=True)


async def _serve_stdio() -> None:
    server = create_server()
    async with stdio_server() as (read, write):
        await server.run(read, write, server.create_initialization_options())


def _serve_http(workers: int, parser: Literal["h11", "httptools"]) -> None:
    import uvicorn

    with socket.create_server(("127.0.0.1", int(os.environ["PORT"])), backlog=1024) as listener:
        # With several workers, uvicorn leaves Nagle's algorithm on: one caller would get 23 calls/s, which would not be
        # a useful baseline. This line can go when https://github.com/Kludex/uvicorn/issues/3149 is fixed.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        uvicorn.run(
            "benchmarks.no_op:create_app",
            factory=True,
            fd=listener.fileno(),
            workers=workers,
            loop="asyncio",  # what the SDK installs, as is h11; do not pick up a faster one that is present
            http=parser,
            log_level="warning",
            access_log=False,
        )


if __name__ == "__main__":
    if sys.argv[1] == "stdio":
        anyio.run(_serve_stdio)
    else:
        _serve_http(int(sys.argv[2]), "httptools" if sys.argv[3] == "httptools" else "h11")
