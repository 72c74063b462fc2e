"""The published input schemas: valid, and without what breaks the converters of agent frameworks."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from jsonschema import Draft202012Validator
from mcp import Client

from customerio_track_mcp.mcp_server import create_mcp_server
from customerio_track_mcp.tools.handlers import ToolHandlers
from customerio_track_mcp.tools.registry import TOOLS
from customerio_track_mcp.track import TrackClient

ARGUMENTS: dict[str, dict[str, Any]] = {
    "create_or_update_customer": {
        "customer_id": "1",
        "email": "ann@example.com",
        "attributes": {"plan": ["pro", None]},
    },
    "send_event": {"customer_id": "1", "event_name": "bought", "data": {"total": 49.9, "items": [{"id": 1}]}},
    "add_customers_to_segment": {"segment_id": "1", "customer_ids": ["1"]},
}


def subschemas(schema: object) -> Iterator[dict[str, Any]]:
    if isinstance(schema, dict):
        yield schema
        for value in schema.values():
            yield from subschemas(value)
    elif isinstance(schema, list):
        for value in schema:
            yield from subschemas(value)


@pytest.mark.parametrize("tool", TOOLS)
def test_no_input_schema_contains_a_boolean_in_place_of_a_schema(tool: str) -> None:
    """google-genai and others look into each subschema: https://github.com/googleapis/python-genai/issues/2393"""
    schema = TOOLS[tool].definition.input_schema
    assert "additionalProperties" not in schema
    for subschema in subschemas(schema):
        for keyword in ("additionalProperties", "items", "not", "contains", "propertyNames"):
            assert not isinstance(subschema.get(keyword), bool)
        assert not any(isinstance(value, bool) for value in subschema.get("properties", {}).values())


@pytest.mark.parametrize(("tool", "parameter"), [("create_or_update_customer", "attributes"), ("send_event", "data")])
def test_objects_accept_any_member(tool: str, parameter: str) -> None:
    schema = TOOLS[tool].definition.input_schema["properties"][parameter]
    assert schema["additionalProperties"] == {}  # without it, pydantic-ai forbids all members for OpenAI


@pytest.mark.parametrize("tool", TOOLS)
def test_input_schemas_are_valid_and_accept_arguments(tool: str) -> None:
    schema = TOOLS[tool].definition.input_schema
    Draft202012Validator.check_schema(schema)
    assert Draft202012Validator(schema).is_valid(ARGUMENTS[tool])


@pytest.mark.parametrize("tool", TOOLS)
@pytest.mark.parametrize("name", ["surplus", "additionalProperties", "self", ""])
async def test_unknown_arguments_are_still_rejected(client: TrackClient, tool: str, name: str) -> None:
    async with Client(create_mcp_server(ToolHandlers(client))) as mcp_client:
        result = await mcp_client.call_tool(tool, ARGUMENTS[tool] | {name: 1})
    assert result.is_error
    error = result.structured_content["error"]
    assert error.startswith(f"Nothing was sent. {name or repr(name)}: is not a parameter of this tool")
