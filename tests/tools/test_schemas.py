"""The published schemas contain what the documentation says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from customerio_track_mcp.tools.registry import TOOLS

DOCUMENTED = Path(__file__).parents[1] / "data" / "documented"


@pytest.mark.parametrize("name", list(TOOLS))
async def test_output_schemas_are_the_documented_ones(listed_tools: dict[str, Any], name: str) -> None:
    documented = json.loads((DOCUMENTED / f"{name}.output.json").read_text())
    assert listed_tools[name]["outputSchema"] == documented


@pytest.mark.parametrize(
    ("name", "parameters", "required"),
    [
        (
            "create_or_update_customer",
            {"customer_id": "string", "email": "string", "created_at": "integer", "attributes": "object"},
            ["customer_id", "email"],
        ),
        (
            "send_event",
            {"customer_id": "string", "event_name": "string", "event_type": "string", "data": "object"},
            ["customer_id", "event_name"],
        ),
        (
            "add_customers_to_segment",
            {"segment_id": "string", "customer_ids": "array", "id_type": "string"},
            ["segment_id", "customer_ids"],
        ),
    ],
)
async def test_input_schemas_contain_the_documented_parameters(
    listed_tools: dict[str, Any], name: str, parameters: dict[str, str], required: list[str]
) -> None:
    schema = listed_tools[name]["inputSchema"]
    assert {key: value["type"] for key, value in schema["properties"].items()} == parameters
    assert schema["required"] == required
    # google-genai cannot convert a boolean; unknown parameters are rejected all the same.
    assert "additionalProperties" not in schema
    assert all(value["description"] for value in schema["properties"].values())


async def test_documented_choices_and_maximums_are_in_the_schemas(listed_tools: dict[str, Any]) -> None:
    segment = listed_tools["add_customers_to_segment"]["inputSchema"]["properties"]
    ids = segment["customer_ids"]
    assert (ids["minItems"], ids["maxItems"], ids["items"]["type"]) == (1, 1000, "string")
    assert (segment["id_type"]["enum"], segment["id_type"]["default"]) == (["id", "email", "cio_id"], "id")
    event = listed_tools["send_event"]["inputSchema"]["properties"]
    assert event["event_type"]["enum"] == ["page", "screen", "event"]
