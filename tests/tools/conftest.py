"""Handlers over the sandbox and over a scripted server, and the tools as MCP lists them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from mcp import Client

from customerio_track_mcp.mcp_server import create_mcp_server
from customerio_track_mcp.tools.handlers import ToolHandlers
from customerio_track_mcp.track import Credentials, TrackClient
from tests.support.clients import FAST_RETRIES
from tests.support.scripted_server import ScriptedServer


@pytest.fixture
def handlers(client: TrackClient) -> ToolHandlers:
    """Handlers that call the sandbox."""
    return ToolHandlers(client)


@pytest.fixture
async def scripted_handlers(scripted: ScriptedServer) -> AsyncIterator[ToolHandlers]:
    """Handlers that call the scripted server."""
    async with TrackClient(Credentials("site", "key"), scripted.url, retry_policy=FAST_RETRIES) as client:
        yield ToolHandlers(client)


@pytest.fixture
async def listed_tools(handlers: ToolHandlers) -> dict[str, Any]:
    """What `tools/list` returns, by tool name."""
    async with Client(create_mcp_server(handlers)) as mcp_client:
        tools = (await mcp_client.list_tools()).tools
    return {tool.name: tool.model_dump(mode="json", by_alias=True, exclude_none=True) for tool in tools}
