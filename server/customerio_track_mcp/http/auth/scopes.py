"""OAuth scopes, and what each lets a caller do."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

SCOPE_OF_TOOL: Final[Mapping[str, str]] = {
    "create_or_update_customer": "customers:write",
    "send_event": "events:write",
    "add_customers_to_segment": "segments:write",
}
TOOL_SCOPES: Final = frozenset(SCOPE_OF_TOOL.values())
METRICS_SCOPE: Final = "metrics:read"
"""Lets a caller read `/metrics`, and no tool."""


def tools_of(scopes: Collection[str]) -> frozenset[str]:
    """The tools that a caller with `scopes` may use."""
    return frozenset(tool for tool, scope in SCOPE_OF_TOOL.items() if scope in scopes)
