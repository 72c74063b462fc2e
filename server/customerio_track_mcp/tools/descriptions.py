"""What `tools/list` returns for a tool of which not everything is allowed: its description names what is."""

from __future__ import annotations

from typing import Final

import mcp_types as types

from customerio_track_mcp.settings.restrictions import Restrictions
from customerio_track_mcp.tools.registry import RegisteredTool

MAX_LISTED: Final = 50
"""Allowed names in a description."""


def definition_for(tool: RegisteredTool, restrictions: Restrictions) -> types.Tool:
    """Return the definition of a tool for a caller with these restrictions; the schemas are the documented ones."""
    names, allowed = {
        "create_or_update_customer": ("Attributes besides email", restrictions.attributes),
        "send_event": ("Values of event_name", restrictions.events),
        "add_customers_to_segment": ("Values of segment_id", restrictions.segments),
    }[tool.definition.name]
    if allowed is None:
        return tool.definition
    sentence = f"{names} that the operator of this server allows: {allowed.listed(MAX_LISTED)}."
    return tool.definition.model_copy(update={"description": f"{tool.definition.description} {sentence}"})
