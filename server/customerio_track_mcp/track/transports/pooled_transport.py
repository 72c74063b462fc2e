"""aiohttp's connections behind httpx's interface."""

from __future__ import annotations

import httpx

from customerio_track_mcp.track.transports.connection_pool import ConnectionPool


class PooledTransport(httpx.AsyncBaseTransport):
    """httpx transport backed by an aiohttp connection pool.

    Args:
        pool: the connections; closed with the transport.
    """

    def __init__(self, pool: ConnectionPool) -> None:
        self._pool = pool

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send `request` and receive the response; see `AiohttpBackend.handle_async_request`.

        Raises:
            httpx.TransportError: no response was received.
        """
        backend = await self._pool.backend_for(request.url.scheme)
        return await backend.handle_async_request(request)

    async def aclose(self) -> None:
        """Close every connection. Later requests fail."""
        await self._pool.aclose()
