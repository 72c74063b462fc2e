"""A pool of aiohttp's connections, for which aiohttp is imported with the first request."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from customerio_track_mcp.module_loading import without_garbage_collection
from customerio_track_mcp.track.operations import TrackRequest
from customerio_track_mcp.track.transports.base import Destination, RequestSender, Response
from customerio_track_mcp.track.transports.certificates import default_certificates

if TYPE_CHECKING:
    from ssl import SSLContext

    from customerio_track_mcp.track.transports.aiohttp_backend import AiohttpBackend


class ConnectionPool:
    """A pool of aiohttp's connections, which is created with the first request.

    Args:
        certificates: for https; None for certifi's.
        max_connections: maximum number of concurrent requests.
    """

    def __init__(self, certificates: SSLContext | None, max_connections: int) -> None:
        self._certificates = certificates
        self._max_connections = max_connections
        self._backend: AiohttpBackend | None = None
        self._closed = False

    async def backend_for(self, scheme: str) -> AiohttpBackend:
        """Return what sends requests.

        Args:
            scheme: of their URLs.
        """
        if self._backend is None:
            with without_garbage_collection():
                from customerio_track_mcp.track.transports.aiohttp_backend import AiohttpBackend

            if scheme == "https" and self._certificates is None:
                self._certificates = default_certificates()
            self._backend = AiohttpBackend(self._certificates, self._max_connections)
            if self._closed:
                await self._backend.aclose()
        return self._backend

    async def aclose(self) -> None:
        """Close every connection. Later requests fail."""
        self._closed = True
        if self._backend is not None:
            await self._backend.aclose()


class PooledSender:
    """Sends requests over the connections of `pool`.

    Args:
        pool: the connections; closed with the sender.
        destination: where requests go.
    """

    def __init__(self, pool: ConnectionPool, destination: Destination) -> None:
        self._pool = pool
        self._destination = destination
        self._sender: RequestSender | None = None

    async def send(self, request: TrackRequest, on_sending: Callable[[], None]) -> Response:
        """Send `request` once, and receive the response; see `RequestSender.send`."""
        if self._sender is None:
            scheme = urlsplit(self._destination.base_url).scheme
            self._sender = (await self._pool.backend_for(scheme)).sender_to(self._destination)
        return await self._sender.send(request, on_sending)

    async def aclose(self) -> None:
        """Close every connection. Later requests fail."""
        await self._pool.aclose()
