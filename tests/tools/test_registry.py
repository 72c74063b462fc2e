"""What `tools/list` returns."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from customerio_track_mcp.tools.registry import TOOLS

PUBLISHED = Path(__file__).parents[1] / "data" / "published"
NAMES = ["create_or_update_customer", "send_event", "add_customers_to_segment"]


async def test_tools_are_listed_in_order(listed_tools: dict[str, Any]) -> None:
    assert list(listed_tools) == list(TOOLS) == NAMES


@pytest.mark.parametrize("name", NAMES)
async def test_published_tool_is_the_snapshot(listed_tools: dict[str, Any], name: str) -> None:
    """A changed definition must show in review. `UPDATE_SNAPSHOTS=1 make test-fast` writes the new one."""
    snapshot = PUBLISHED / f"{name}.json"
    if os.environ.get("UPDATE_SNAPSHOTS"):
        snapshot.write_text(json.dumps(listed_tools[name], indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    assert listed_tools[name] == json.loads(snapshot.read_text(encoding="utf-8"))


async def test_hints_match_what_the_tools_do(listed_tools: dict[str, Any]) -> None:
    hints = {name: tool["annotations"] for name, tool in listed_tools.items()}
    assert not any(hint["readOnlyHint"] for hint in hints.values())
    assert all(hint["openWorldHint"] for hint in hints.values())
    assert [hints[name]["destructiveHint"] for name in NAMES] == [True, True, True]
    assert [hints[name]["idempotentHint"] for name in NAMES] == [True, False, True]
