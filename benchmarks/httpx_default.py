"""This server over standard input and output with another way to the Track API: httpx's own pool, left as it comes."""

from __future__ import annotations

import anyio
import httpx

from customerio_track_mcp.instrumentation.logs import call_log, configure_logging
from customerio_track_mcp.mcp_server import build_server
from customerio_track_mcp.settings.server import Settings
from customerio_track_mcp.stdio.transport import serve_stdio
from customerio_track_mcp.tools.handlers import Tools
from customerio_track_mcp.track import TrackClient


async def _serve() -> None:
    settings = Settings.from_environment()
    configure_logging(settings.log_level, settings.log_format)
    async with TrackClient(
        settings.credentials,
        settings.base_url,
        requests_per_second=settings.rate_limit,
        patience=settings.patience,
        transport=httpx.AsyncHTTPTransport(),
    ) as client:
        await serve_stdio(build_server(Tools(client), on_call=call_log(settings.hash_key)))


if __name__ == "__main__":
    anyio.run(_serve)
