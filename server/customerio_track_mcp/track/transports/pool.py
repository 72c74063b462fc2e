"""Choose the httpx transport: aiohttp's connections, or httpx's own through a proxy.

httpx's own pool searches all its connections at each step of each request; with 32 requests in flight that is most of
what a request costs (docs/performance.md; https://github.com/encode/httpx/issues/3215). So the connections are
aiohttp's, behind httpx's interface, until https://github.com/encode/httpcore/pull/1035 or the like is released. Through
a proxy, where aiohttp supports fewer kinds, httpx's own transport is used.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

import anyio
import httpx

from customerio_track_mcp.track.transports.certificates import named_certificates
from customerio_track_mcp.track.transports.network_backend import BoundedNetworkBackend
from customerio_track_mcp.track.transports.proxies import find_proxy
from customerio_track_mcp.track.transports.tunnels import close_failed_tunnels
from customerio_track_mcp.track.validation.numbers import require_count

if TYPE_CHECKING:
    from ssl import SSLContext

    from customerio_track_mcp.track.transports.aiohttp_backend import AiohttpBackend

MAX_CONNECTIONS: Final = 64
"""Unless a client asks for another number."""


def create_transport(base_url: str, max_connections: int = MAX_CONNECTIONS) -> httpx.AsyncBaseTransport:
    """Create the transport for `base_url`, following the proxy and certificate variables of the environment.

    Args:
        base_url: the Track API's base URL.
        max_connections: maximum number of concurrent requests.

    Raises:
        OSError: certificates that the environment names cannot be read.
        ValueError: the proxy that the environment names has an invalid URL, or `max_connections` is not a whole number
            of at least 1.
    """
    require_count("max_connections", max_connections)
    url = httpx.URL(base_url)
    # Read now rather than with the first request, so that an error is reported at startup.
    certificates = named_certificates() if url.scheme == "https" else None
    if proxy := find_proxy(url):
        limits = httpx.Limits(max_connections=max_connections, max_keepalive_connections=max_connections)
        proxy_certificates = certificates if proxy.scheme == "https" else None
        transport = httpx.AsyncHTTPTransport(
            verify=certificates or True, proxy=httpx.Proxy(proxy, ssl_context=proxy_certificates), limits=limits
        )
        # Private, until httpx takes a network backend: https://github.com/encode/httpx/pull/3749.
        pool = transport._pool
        pool._network_backend = BoundedNetworkBackend(pool._network_backend)
        close_failed_tunnels(pool)
        return transport
    return PooledTransport(certificates, max_connections)


def preload() -> None:
    """Import aiohttp now rather than with the first request; it takes longer than all other imports together."""
    import customerio_track_mcp.track.transports.aiohttp_backend  # noqa: F401


class PooledTransport(httpx.AsyncBaseTransport):
    """httpx transport backed by an aiohttp connection pool.

    Args:
        certificates: for https; None for those that httpx uses.
        max_connections: maximum number of concurrent requests.
    """

    def __init__(self, certificates: SSLContext | None, max_connections: int) -> None:
        self._certificates = certificates
        self._slots = anyio.CapacityLimiter(max_connections)
        self._backend: AiohttpBackend | None = None
        self._closed = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send `request` and receive the response; see `AiohttpBackend.send`.

        Raises:
            httpx.TransportError: no response was received.
        """
        try:
            self._slots.acquire_on_behalf_of_nowait(request)
        except anyio.WouldBlock:
            await self._wait_for_slot(request)
        try:
            if self._closed:
                raise httpx.ConnectError("the client is closed", request=request)
            backend = self._backend or self._create_backend(request.url.scheme)
            return await backend.send(request)
        finally:
            self._slots.release_on_behalf_of(request)

    async def aclose(self) -> None:
        """Close every connection. Later requests fail."""
        self._closed = True
        if self._backend is not None:
            await self._backend.aclose()

    def _create_backend(self, scheme: str) -> AiohttpBackend:
        from customerio_track_mcp.track.transports.aiohttp_backend import AiohttpBackend

        if scheme == "https" and self._certificates is None:
            self._certificates = httpx.create_ssl_context()
        self._backend = AiohttpBackend(self._certificates)
        return self._backend

    async def _wait_for_slot(self, request: httpx.Request) -> None:
        timeouts: Mapping[str, float] = request.extensions["timeout"]
        try:
            with anyio.fail_after(timeouts["pool"]):
                await self._slots.acquire_on_behalf_of(request)
        except TimeoutError:
            raise httpx.PoolTimeout("", request=request) from None
