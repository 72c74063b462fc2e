"""The SDK's floor: its low-level server with one tool that answers a constant, over the SDK's own transports.

The answer has the size and shape of a real one, so that writing it costs the same.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from typing import Any

import anyio
import mcp_types as types
from mcp.server import Server, ServerRequestContext
from mcp.server.stdio import stdio_server

_TEXT = {"type": "string"}
_INPUT = {
    "type": "object",
    "properties": {"customer_id": _TEXT, "event_name": _TEXT, "event_type": _TEXT, "data": {"type": "object"}},
}
_TOOL = types.Tool(name="send_event", input_schema=_INPUT, output_schema={"type": "object"})
_ANSWER = {
    "success": True,
    "error": None,
    "message": "The Track API accepted event 'purchase' for customer '1042'; "
    "the event's id is 01KT5Y3Q6ZJ8M4W2C9R7N1XBDF.",
    "customer_id": "1042",
    "event_name": "purchase",
}
_WRITTEN = json.dumps(_ANSWER)


async def _list_tools(context: ServerRequestContext[Any], params: object) -> types.ListToolsResult:
    del context, params
    return types.ListToolsResult(tools=[_TOOL])


async def _call_tool(context: ServerRequestContext[Any], params: object) -> types.CallToolResult:
    del context, params
    return types.CallToolResult(content=[types.TextContent(type="text", text=_WRITTEN)], structured_content=_ANSWER)


def server() -> Server[Any]:
    """The server, for any transport."""
    return Server(
        "do-nothing",
        on_list_tools=_list_tools,
        on_call_tool=_call_tool,
        get_tool_input_schema=lambda _: _TOOL.input_schema,
    )


def app() -> Any:
    """The ASGI application, as the SDK makes it for a service without sessions."""
    return server().streamable_http_app(stateless_http=True)


async def _stdio() -> None:
    nothing = server()
    async with stdio_server() as (read, write):
        await nothing.run(read, write, nothing.create_initialization_options())


def _http(workers: int) -> None:
    import uvicorn

    with socket.create_server(("127.0.0.1", int(os.environ["PORT"])), backlog=1024) as listener:
        # uvicorn leaves Nagle's algorithm on where it has several workers: 23 calls a second would be no floor.
        listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        uvicorn.run(
            "benchmarks.do_nothing:app",
            factory=True,
            fd=listener.fileno(),
            workers=workers,
            loop="asyncio",  # and h11: what the SDK brings along, even where faster ones happen to be installed
            http="h11",
            log_level="warning",
            access_log=False,
        )


if __name__ == "__main__":
    if sys.argv[1] == "stdio":
        anyio.run(_stdio)
    else:
        _http(int(sys.argv[2]))
