"""No arguments, however odd, get anything but a conforming payload."""

from __future__ import annotations

import jsonschema
from hypothesis import HealthCheck, example, given, settings
from mcp import Client

from customerio_track_mcp.control import call as controlled
from customerio_track_mcp.instrumentation.calls import CallRecord, Outcome
from customerio_track_mcp.mcp_server import create_mcp_server
from customerio_track_mcp.tools.handlers import ToolHandlers
from customerio_track_mcp.tools.registry import TOOLS
from customerio_track_mcp.track import TrackClient
from tests.support.arbitrary_calls import Call, calls

MANY_EXAMPLES = settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))


@MANY_EXAMPLES
@given(call=calls(surrogates=False))
async def test_any_arguments_get_a_conforming_payload(client: TrackClient, call: Call) -> None:
    """Through the SDK's client, which does not send lone surrogates."""
    tool, arguments = call
    ended: list[CallRecord] = []
    async with Client(create_mcp_server(ToolHandlers(client), on_call=ended.append)) as mcp_client:
        result = await mcp_client.call_tool(tool, arguments)
    payload = result.structured_content
    assert payload is not None
    jsonschema.validate(payload, TOOLS[tool].definition.output_schema or {})
    assert payload["success"] is not result.is_error
    assert bool(payload["error"]) is result.is_error
    # Not a search in the error, which repeats the names of arguments.
    assert [record.context.outcome for record in ended] != [Outcome.INTERNAL_ERROR]


@MANY_EXAMPLES
@given(call=calls(surrogates=True))
@example(call=("send_event", {"\ud800": 1}))
@example(call=("send_event", {"\ud800": 1, "event_name": []}))
@example(call=("create_or_update_customer", {"customer_id\udfff": "1", "email": "ann@example.com"}))
@example(call=("add_customers_to_segment", {"segment_id": "x", "customer_ids": [], "\udbff" * 1000: None}))
async def test_no_arguments_make_a_tool_raise(client: TrackClient, call: Call) -> None:
    """Without a protocol in front, through which some of these arguments could not be sent."""
    tool, arguments = call
    output = await TOOLS[tool].handler(ToolHandlers(client), arguments, controlled.Call())
    assert output.success is (output.error is None)
    assert (output.error or output.message or "").isprintable()
    output.model_dump_json().encode()
