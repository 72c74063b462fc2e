"""httpx's own transport, through a proxy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx

from customerio_track_mcp.track.transports.network_backend import BoundedNetworkBackend
from customerio_track_mcp.track.transports.tunnels import close_failed_tunnels

if TYPE_CHECKING:
    from ssl import SSLContext


def create_proxied_transport(
    proxy: httpx.URL, certificates: SSLContext | None, max_connections: int
) -> httpx.AsyncBaseTransport:
    """Create a transport whose requests go through `proxy`.

    Args:
        proxy: the proxy's URL.
        certificates: for https; None for those that httpx uses.
        max_connections: maximum number of concurrent requests.
    """
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
