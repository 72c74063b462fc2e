"""This server over stdio, with httpx's own connection pool in its default configuration: a baseline."""

from __future__ import annotations

from typing import Any
from unittest.mock import patch

import anyio
import httpx

from customerio_track_mcp import runtime as runtimes
from customerio_track_mcp.instrumentation.logs import configure_logging
from customerio_track_mcp.runtime import open_runtime
from customerio_track_mcp.settings.server import Settings
from customerio_track_mcp.stdio.transport import serve_stdio
from customerio_track_mcp.track import TrackClient
from customerio_track_mcp.upstream import Upstream


def _create_client(*arguments: Any, **options: Any) -> TrackClient:
    return TrackClient(*arguments, **{**options, "transport": httpx.AsyncHTTPTransport()})


async def _serve() -> None:
    settings = Settings.from_environment()
    configure_logging(settings.log_level, settings.log_format)
    # The transport is the only difference from the server, so it is replaced where the server creates its client.
    with patch.object(runtimes, "TrackClient", _create_client):
        async with open_runtime(Upstream(settings, settings.base_url)) as runtime:
            await serve_stdio(runtime.server)


if __name__ == "__main__":
    anyio.run(_serve)
