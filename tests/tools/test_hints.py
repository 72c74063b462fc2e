"""The hints by which hosts decide whether to ask the user, and whether to repeat a call by themselves."""

from __future__ import annotations

import pytest

from customerio_track_mcp.sandbox import RunningSandbox
from customerio_track_mcp.tools.handlers import ToolHandlers
from customerio_track_mcp.tools.registry import TOOLS
from customerio_track_mcp.track import TrackClient

CALLS: dict[str, dict[str, object]] = {
    "create_or_update_customer": {"customer_id": "1", "email": "ann@example.com", "attributes": {"plan": "pro"}},
    "send_event": {"customer_id": "1", "event_name": "bought"},
    "add_customers_to_segment": {"segment_id": "1", "customer_ids": ["1"]},
}


def test_every_tool_is_destructive_since_it_can_mail_people() -> None:
    annotations = [tool.definition.annotations for tool in TOOLS.values()]
    assert [hints and hints.destructive_hint for hints in annotations] == [True, True, True]
    assert [hints and hints.read_only_hint for hints in annotations] == [False, False, False]


@pytest.mark.parametrize("name", TOOLS)
async def test_only_a_tool_whose_repeated_call_has_no_further_effect_is_idempotent(
    client: TrackClient, sandbox: RunningSandbox, name: str
) -> None:
    """Hosts repeat a call of an idempotent tool after a lost connection.

    A repeated `send_event` would be a second event, and a second mail: each call has a new ULID, since only the caller
    knows whether it happened twice.
    """
    tools = ToolHandlers(client)
    await tools.create_or_update_customer(CALLS["create_or_update_customer"])
    states = []
    for _ in range(2):
        output = await getattr(tools, name)(CALLS[name])
        assert output.success
        state = sandbox.workspace.as_json()
        states.append((list(state["people"]), len(sandbox.workspace.events), list(state["segments"])))
    annotations = TOOLS[name].definition.annotations
    assert annotations is not None
    assert annotations.idempotent_hint is (states[0] == states[1])
    assert annotations.idempotent_hint is (name != "send_event")
