"""Whatever the arguments are, the result is a conforming payload."""

from __future__ import annotations

from typing import Any

import jsonschema
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mcp import Client

from customerio_track_mcp.instrumentation.calls import CallRecord, Outcome
from customerio_track_mcp.mcp_server import create_mcp_server
from customerio_track_mcp.tools.handlers import ToolHandlers
from customerio_track_mcp.track import TrackClient

PARAMETERS = {
    "create_or_update_customer": ["customer_id", "email", "created_at", "attributes"],
    "send_event": ["customer_id", "event_name", "event_type", "data"],
    "add_customers_to_segment": ["segment_id", "customer_ids", "id_type"],
}
LIKELY = [
    "1", 1, "ann@example.com", "cio_03000001", "page", "id", "email", "..", "", " ", "\x00", "x" * 200, None, True,
    1_700_000_000, 1_700_000_000_000, '{"a": 1}', '["1"]', "{", ["1"], ["ann@example.com", 2], {"plan": "pro"},
    {"unsubscribed": True}, {"email": "b@c"}, {"created_at": "x"}, {"recipient": "a@b"}, [[]], {"a": {"b": [None]}},
]  # fmt: skip
SURROGATES = ["\ud800", {"a": "\ud800"}, {"\ud800": 1}, {"unsubscribed.\ud800": 1}, ["\ud800"], '"\\ud800"']
TEXT = st.text(st.characters(exclude_categories=["Cs"]))  # the SDK's client cannot send a lone surrogate
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | TEXT
JSON = st.recursive(SCALARS, lambda inner: st.lists(inner) | st.dictionaries(TEXT, inner), max_leaves=8)
VALUES = st.sampled_from(LIKELY) | JSON


@st.composite
def calls(draw: st.DrawFn, values: st.SearchStrategy[Any] = VALUES) -> tuple[str, dict[str, Any]]:
    tool = draw(st.sampled_from(sorted(PARAMETERS)))
    names = st.sampled_from(PARAMETERS[tool]) | TEXT
    return tool, draw(st.dictionaries(names, values, max_size=6))


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(call=calls())
async def test_result_conforms_to_the_output_schema(client: TrackClient, call: tuple[str, dict[str, Any]]) -> None:
    tool, arguments = call
    ended: list[CallRecord] = []
    async with Client(create_mcp_server(ToolHandlers(client), on_call=ended.append)) as mcp_client:
        result = await mcp_client.call_tool(tool, arguments)
        schema = next(t.output_schema for t in (await mcp_client.list_tools()).tools if t.name == tool)
    payload = result.structured_content
    assert payload is not None
    jsonschema.validate(payload, schema or {})
    assert payload["success"] is not result.is_error
    assert bool(payload["error"]) is result.is_error
    # Not a search in the error, which repeats the names of arguments.
    assert [record.context.outcome for record in ended] != [Outcome.INTERNAL_ERROR]


@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
@given(call=calls(VALUES | st.sampled_from(SURROGATES)))
async def test_handler_returns_an_output(client: TrackClient, call: tuple[str, dict[str, Any]]) -> None:
    """Without the protocol in between, which cannot carry NaN or a lone surrogate."""
    name, arguments = call
    output = await getattr(ToolHandlers(client), name)(arguments)
    assert output.success is (output.error is None)
    output.model_dump_json()
