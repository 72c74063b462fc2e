"""OAuth scopes, and what each allows a caller to do."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from customerio_track_mcp.tools.registry import TOOLS

SCOPE_OF_TOOL: Final[Mapping[str, str]] = {name: tool.scope for name, tool in TOOLS.items()}
TOOL_SCOPES: Final = frozenset(SCOPE_OF_TOOL.values())
METRICS_SCOPE: Final = "metrics:read"
"""Allows a caller to read `/metrics`, and to use no tool."""
KNOWN_SCOPES: Final = TOOL_SCOPES | {METRICS_SCOPE}


def tools_of(scopes: Collection[str]) -> frozenset[str]:
    """Return the tools that a caller with `scopes` may use."""
    return frozenset(tool for tool, scope in SCOPE_OF_TOOL.items() if scope in scopes)
