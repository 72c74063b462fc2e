"""Resources through the SDK's own client."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

import pytest
from mcp import Client, MCPError

from customerio_track_mcp.instrumentation.calls import Caller
from customerio_track_mcp.mcp_server import create_mcp_server
from customerio_track_mcp.resources.guide import guide_text
from customerio_track_mcp.tools.handlers import ToolHandlers
from customerio_track_mcp.track import TrackClient

NOT_FOUND: Final = {"2025-11-25": -32002, "2026-07-28": -32602}
"""The code for a resource that does not exist, by the version of the protocol."""


@pytest.fixture(params=["legacy", "auto"])
async def mcp_client(client: TrackClient, request: pytest.FixtureRequest) -> AsyncIterator[Client]:
    server = create_mcp_server(ToolHandlers(client), policy=lambda _: "the policy")
    async with Client(server, mode=request.param) as connected:
        yield connected


async def test_every_listed_resource_can_be_read_with_its_type(mcp_client: Client) -> None:
    listed = (await mcp_client.list_resources()).resources
    assert [resource.uri for resource in listed] == ["customerio-track://guide", "customerio-track://policy"]
    texts = []
    for resource in listed:
        (content,) = (await mcp_client.read_resource(resource.uri)).contents
        assert content.mime_type == resource.mime_type == "text/markdown"
        texts.append(getattr(content, "text", None))
    assert texts == [guide_text(), "the policy"]


@pytest.mark.parametrize(
    ("uri", "shown"),
    [
        ("customerio-track://nothing", "customerio-track://nothing"),
        ("CUSTOMERIO-TRACK://GUIDE", "CUSTOMERIO-TRACK://GUIDE"),
        ("file:///etc/passwd", "file:///etc/passwd"),
        ("", ""),
        ("\x1b[2J", "\N{REPLACEMENT CHARACTER}[2J"),
        ("x" * 5000, "x" * 79 + "…"),
    ],
)
async def test_unknown_resource_is_a_protocol_error(mcp_client: Client, uri: str, shown: str) -> None:
    with pytest.raises(MCPError) as caught:
        await mcp_client.read_resource(uri)
    assert caught.value.error.code == NOT_FOUND[mcp_client.protocol_version]
    known = "the resources are customerio-track://guide, customerio-track://policy"
    assert caught.value.error.message == f"Unknown resource: {shown}; {known}"
    assert caught.value.error.data == {"uri": shown}


async def test_a_caller_who_may_use_no_tool_sees_no_resource(client: TrackClient) -> None:
    server = create_mcp_server(ToolHandlers(client), caller_of=lambda _: Caller("prometheus", tools=()))
    async with Client(server) as mcp_client:
        assert (await mcp_client.list_resources()).resources == []
        with pytest.raises(MCPError, match="there are none for this caller"):
            await mcp_client.read_resource("customerio-track://guide")
