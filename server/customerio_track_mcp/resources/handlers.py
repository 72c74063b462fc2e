"""List the resources, and read one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import mcp_types as types
from mcp.server import ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from customerio_track_mcp.instrumentation.calls import Caller, require_caller
from customerio_track_mcp.resources.guide import guide_text
from customerio_track_mcp.settings.allowed_names import POLICY_URI
from customerio_track_mcp.tools.registry import TOOLS
from customerio_track_mcp.track import shorten

GUIDE_URI: Final = "customerio-track://guide"
URIS: Final = (GUIDE_URI, POLICY_URI)

_MIME_TYPE: Final = "text/markdown"
_MAX_URI_CHARACTERS: Final = 80
_RESOURCE_NOT_FOUND: Final = -32002
"""The code of protocol 2025-11-25 (Resources, "Error Handling"). Protocol 2026-07-28 has no code of its own for it."""

Render = Callable[[Caller], str]
"""Returns a resource's text for a caller."""


@dataclass(frozen=True, slots=True)
class _Resource:
    """One resource.

    Attributes:
        name, title, description: what `resources/list` returns for it.
        render: returns its text.
    """

    name: str
    title: str
    description: str
    render: Render


class ResourceHandlers:
    """The resources. A caller who may use no tool sees none of them.

    Args:
        policy: returns what the server allows a caller; None to offer the guide only.
    """

    def __init__(self, policy: Render | None = None) -> None:
        guide = cache(guide_text)
        self._resources: dict[str, _Resource] = {
            GUIDE_URI: _Resource(
                "guide",
                "Guide to the Customer.io tools",
                "What the tools do, limits, identity rules and reserved keys.",
                lambda caller: guide(frozenset(filter(caller.may_use, TOOLS))),
            )
        }
        if policy is not None:
            self._resources[POLICY_URI] = _Resource(
                "policy",
                "What this server allows",
                "Sandbox or live workspace, what you may use, send and set, maxima, rate limit, retries.",
                policy,
            )

    async def list(
        self, context: ServerRequestContext[Any], params: types.PaginatedRequestParams | None
    ) -> types.ListResourcesResult:
        """Handle `resources/list`."""
        del context, params
        return types.ListResourcesResult(
            resources=[
                types.Resource(
                    uri=uri,
                    name=resource.name,
                    title=resource.title,
                    description=resource.description,
                    mime_type=_MIME_TYPE,
                )
                for uri, resource in self._visible().items()
            ]
        )

    async def list_templates(
        self, context: ServerRequestContext[Any], params: types.PaginatedRequestParams | None
    ) -> types.ListResourceTemplatesResult:
        """Handle `resources/templates/list`. There are no templates, but some hosts fail without the list."""
        del context, params
        return types.ListResourceTemplatesResult(resource_templates=[])

    async def read(
        self, context: ServerRequestContext[Any], params: types.ReadResourceRequestParams
    ) -> types.ReadResourceResult:
        """Handle `resources/read`.

        Raises:
            MCPError: the resource does not exist for this caller.
        """
        visible = self._visible()
        if (resource := visible.get(params.uri)) is None:
            known = f"the resources are {', '.join(visible)}" if visible else "there are none for this caller"
            uri = shorten(params.uri, _MAX_URI_CHARACTERS)
            is_modern = context.protocol_version in MODERN_PROTOCOL_VERSIONS
            code = types.INVALID_PARAMS if is_modern else _RESOURCE_NOT_FOUND
            raise MCPError(code=code, message=f"Unknown resource: {uri}; {known}", data={"uri": uri})
        text = resource.render(require_caller())
        return types.ReadResourceResult(
            contents=[types.TextResourceContents(uri=params.uri, mime_type=_MIME_TYPE, text=text)]
        )

    def _visible(self) -> Mapping[str, _Resource]:
        caller = require_caller()
        return self._resources if any(map(caller.may_use, TOOLS)) else {}
