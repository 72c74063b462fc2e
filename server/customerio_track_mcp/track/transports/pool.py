"""The way of an `httpx.Request` to the Track API and of its response back.

httpx's own pool looks through all its connections at each step of each request; with 32 requests in flight that is most
of what a request costs (docs/performance.md has the figures). So the connections are aiohttp's, and httpx stays what
everything else speaks. Through a proxy, of which aiohttp knows fewer kinds, requests go httpx's own way.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final
from urllib.request import getproxies, proxy_bypass

import anyio
import httpx

from customerio_track_mcp.track.regions import is_loopback

if TYPE_CHECKING:
    from ssl import SSLContext

    from customerio_track_mcp.track.transports.aiohttp_backend import Exchange

SENDING: Final = "http11.send_request_headers.started"
"""What a transport of httpx tells a request's `trace` the moment before the first byte goes out."""


def transport_to(base_url: str, max_connections: int) -> httpx.AsyncBaseTransport:
    """The transport for requests to `base_url`, as the environment's settings for proxies and certificates have it.

    Args:
        base_url: the Track API's base URL.
        max_connections: how many requests may be on the wire at a time.

    Raises:
        ImportError, OSError, ValueError: those settings can't be used.
    """
    url = httpx.URL(base_url)
    # Where the environment names some, they are read now, to tell at the start what is wrong with them.
    named = os.environ.get("SSL_CERT_FILE") or os.environ.get("SSL_CERT_DIR")
    certificates = httpx.create_ssl_context() if named and url.scheme == "https" else None
    if proxy := _proxy_to(url):
        limits = httpx.Limits(max_connections=max_connections, max_keepalive_connections=max_connections)
        return httpx.AsyncHTTPTransport(verify=certificates or True, proxy=proxy, limits=limits)
    return KeptConnections(certificates, max_connections)


def _proxy_to(url: httpx.URL) -> str | None:
    # A proxy named in the environment has no way to this machine's own loopback.
    if is_loopback(url.host) or proxy_bypass(url.host):
        return None
    proxies = getproxies()
    proxy = proxies.get(url.scheme) or proxies.get("all")
    return proxy if not proxy or "://" in proxy else f"http://{proxy}"


class KeptConnections(httpx.AsyncBaseTransport):
    """Connections that are kept from one request to the next; see `Exchange` for what it knows of httpx.

    Args:
        certificates: for https; None for those that httpx brings along.
        max_connections: how many requests may be on the wire at a time.
    """

    def __init__(self, certificates: SSLContext | None, max_connections: int) -> None:
        self._certificates = certificates
        self._free = anyio.CapacityLimiter(max_connections)
        self._exchange: Exchange | None = None
        self._closed = False

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send `request` and read the whole of its response.

        Raises:
            httpx.TransportError: there is no response.
        """
        if self._closed:
            raise httpx.ConnectError("the client is closed", request=request)
        exchange = self._exchange or self._open(request.url.scheme)
        try:
            self._free.acquire_on_behalf_of_nowait(request)
        except anyio.WouldBlock:
            await self._wait_for_a_free_one(request)
        try:
            return await exchange.exchange(request)
        finally:
            self._free.release_on_behalf_of(request)

    async def aclose(self) -> None:
        """Close every connection. No request gets one afterwards."""
        self._closed = True
        if self._exchange is not None:
            await self._exchange.aclose()

    def _open(self, scheme: str) -> Exchange:
        from customerio_track_mcp.track.transports.aiohttp_backend import Exchange

        if scheme == "https" and self._certificates is None:
            self._certificates = httpx.create_ssl_context()
        self._exchange = Exchange(self._certificates)
        return self._exchange

    async def _wait_for_a_free_one(self, request: httpx.Request) -> None:
        seconds: Mapping[str, float] = request.extensions["timeout"]
        try:
            with anyio.fail_after(seconds["pool"]):
                await self._free.acquire_on_behalf_of(request)
        except TimeoutError:
            raise httpx.PoolTimeout("", request=request) from None
