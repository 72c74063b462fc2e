"""What the server costs a model before the first call. Hosts add the lists to each conversation."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from typing import Any, Final

import pytest
from mcp import Client
from pydantic import BaseModel

from customerio_track_mcp.mcp_server import create_mcp_server
from customerio_track_mcp.tools.handlers import ToolHandlers
from customerio_track_mcp.track import TrackClient
from customerio_track_mcp.upstream import Destination
from tests.support.documents import ROOT
from tests.support.tokens import estimated_tokens

README: Final = (ROOT / "README.md").read_text(encoding="utf-8")
SENTENCE: Final = re.compile(
    r"cost\s+a\s+model\s+about\s+([\d ]+)\s+tokens\s+\(([\d ]+)\s+with.*?instructions\s+([\d ]+)\.", re.DOTALL
)
FOR_THE_MODEL: Final = ("name", "description", "inputSchema")
"""What every host passes on to the model of a tool."""


@pytest.fixture
async def mcp_client(client: TrackClient) -> AsyncIterator[Client]:
    async with Client(create_mcp_server(ToolHandlers(client), policy=lambda _: "")) as connected:
        yield connected


def on_the_wire(items: list[Any]) -> list[dict[str, Any]]:
    return [
        item.model_dump(mode="json", by_alias=True, exclude_none=True) for item in items if isinstance(item, BaseModel)
    ]


async def test_the_tools_stay_within_the_budget_that_the_readme_states(mcp_client: Client) -> None:
    tools = on_the_wire((await mcp_client.list_tools()).tools)
    assert len(tools) == 3
    for_the_model = estimated_tokens([{name: tool[name] for name in FOR_THE_MODEL} for tool in tools])
    everything = estimated_tokens(tools)
    instructions = estimated_tokens(mcp_client.instructions or "")
    assert for_the_model <= 1200
    assert everything <= 1800
    assert instructions <= 120
    stated = SENTENCE.search(README)
    assert stated, "README.md does not say what the tools cost"
    assert [int(number.replace(" ", "")) for number in stated.groups()] == [
        round(for_the_model, -2),
        round(everything, -2),
        round(instructions, -2),
    ]


@pytest.mark.parametrize("destination", Destination)
async def test_the_instructions_stay_within_their_budget_wherever_calls_go(
    client: TrackClient, destination: Destination
) -> None:
    async with Client(create_mcp_server(ToolHandlers(client), destination=destination)) as connected:
        assert estimated_tokens(connected.instructions or "") <= 120


async def test_the_lists_of_prompts_and_resources_stay_within_their_budget(mcp_client: Client) -> None:
    assert estimated_tokens(on_the_wire((await mcp_client.list_prompts()).prompts)) <= 450
    assert estimated_tokens(on_the_wire((await mcp_client.list_resources()).resources)) <= 130
