"""How the server presents itself to hosts: name, title, description, icon and website."""

from __future__ import annotations

import base64
from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path
from typing import Any, Final

import mcp_types as types
from mcp.server import Server, ServerRequestContext
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

from customerio_track_mcp import __version__

PACKAGE: Final = "customerio-track-mcp"
TITLE: Final = "Customer.io Track API"
DESCRIPTION: Final = "Customer profiles, events and manual segments of a Customer.io workspace."

_ICONS: Final = Path(__file__).parent / "icons"
_WEBSITE_LABELS: Final = ("homepage", "repository")
_PLACEHOLDER_OWNER: Final = "/OWNER/"
"""In the project's URLs until a maintainer has filled in the owner's name."""


class DescribedServer(Server[Any]):
    """An MCP server that sends its icon and its website once per connection.

    With protocol 2026-07-28, the SDK repeats `serverInfo` in the `_meta` of each result. Clients read it in that of
    `server/discover`. In the result of a tool call, the icon would be larger than the payload.

    Args:
        title: what hosts call the server.
        options: those of the SDK's server.
    """

    def __init__(self, title: str = TITLE, **options: Any) -> None:
        super().__init__(
            PACKAGE,
            title=title,
            version=__version__,
            description=DESCRIPTION,
            website_url=website_url(),
            icons=icons(),
            **options,
        )
        self._short_info = _dump(types.Implementation(name=PACKAGE, title=title, version=__version__))
        self.add_request_handler("server/discover", types.RequestParams, self._discover)

    @property
    def server_info_stamp(self) -> dict[str, Any]:
        """The `serverInfo` of a result that does not have its own: name, title and version."""
        return dict(self._short_info)

    async def _discover(self, context: ServerRequestContext[Any], params: types.RequestParams) -> types.DiscoverResult:
        del params
        return types.DiscoverResult(
            supported_versions=list(MODERN_PROTOCOL_VERSIONS),
            capabilities=self.get_capabilities(protocol_version=context.protocol_version),
            instructions=self.instructions,
            _meta={types.SERVER_INFO_META_KEY: _dump(self.server_info)},
        )


def icons() -> list[types.Icon]:
    """Return the icon as `data:` URIs, 3 KB together.

    The SVG is sharp at any size. The PNG is for hosts without SVG, such as VS Code; the protocol requires PNG only.
    """
    return [
        _icon("icon.svg", "image/svg+xml", "any"),
        _icon("icon-48.png", "image/png", "48x48"),
    ]


def _icon(file: str, mime_type: str, size: str) -> types.Icon:
    encoded = base64.b64encode((_ICONS / file).read_bytes()).decode()
    return types.Icon(src=f"data:{mime_type};base64,{encoded}", mime_type=mime_type, sizes=[size])


def website_url() -> str | None:
    """Return the project's page, as the metadata of the installed package names it; None if there is none yet.

    Of the URLs in `[project.urls]`, this is the homepage, or else the repository.
    """
    try:
        entries = metadata(PACKAGE).get_all("Project-URL") or []
    except PackageNotFoundError:
        return None
    return website_in(entries)


def website_in(entries: list[str]) -> str | None:
    """Return the website in the values of `Project-URL`, each a label, a comma and a URL; None if there is none."""
    urls = {label.strip().lower(): url.strip() for label, _, url in (entry.partition(",") for entry in entries)}
    for label in _WEBSITE_LABELS:
        url = urls.get(label, "")
        if url.startswith("https://") and _PLACEHOLDER_OWNER not in f"{url}/":
            return url
    return None


def _dump(info: types.Implementation) -> dict[str, Any]:
    return info.model_dump(by_alias=True, mode="json", exclude_none=True)
