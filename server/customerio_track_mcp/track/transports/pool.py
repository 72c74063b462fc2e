"""Choose what carries requests: aiohttp's connections, or httpx's own through a proxy.

httpx's own pool searches all its connections at each step of each request; with 32 requests in flight that is most of
what a request costs (docs/performance.md; https://github.com/encode/httpx/issues/3215). So the connections are
aiohttp's, until https://github.com/encode/httpcore/pull/1035 or the like is released. Through a proxy, where aiohttp
supports fewer kinds, httpx's own transport is used.

aiohttp and httpx are imported with the first request: together they take longer than most other imports, and 10 MB.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from customerio_track_mcp.module_loading import without_garbage_collection
from customerio_track_mcp.track.transports.base import Destination, RequestSender
from customerio_track_mcp.track.transports.certificates import named_certificates
from customerio_track_mcp.track.transports.connection_pool import ConnectionPool, PooledSender
from customerio_track_mcp.track.transports.proxies import proxy_of_the_environment
from customerio_track_mcp.track.validation.numbers import require_count

if TYPE_CHECKING:
    import httpx

MAX_CONNECTIONS: Final = 64
"""Unless a client asks for another number."""


def create_sender(destination: Destination, max_connections: int) -> RequestSender:
    """Create what sends requests to `destination`, following the proxy and certificate variables of the environment.

    Args:
        destination: where requests go.
        max_connections: maximum number of concurrent requests.

    Raises:
        OSError: certificates that the environment names cannot be read.
        ValueError: the proxy that the environment names has an invalid URL, or `max_connections` is not a whole number
            of at least 1.
    """
    pool = _create_pool(destination.base_url, max_connections)
    if isinstance(pool, ConnectionPool):
        return PooledSender(pool, destination)
    from customerio_track_mcp.track.transports.httpx_sender import HttpxSender

    return HttpxSender(pool, destination, reports_sending=True)


def create_transport(base_url: str, max_connections: int = MAX_CONNECTIONS) -> httpx.AsyncBaseTransport:
    """Create an httpx transport for `base_url`, following the proxy and certificate variables of the environment.

    Args:
        base_url: the Track API's base URL.
        max_connections: maximum number of concurrent requests.

    Raises:
        OSError: certificates that the environment names cannot be read.
        ValueError: the proxy that the environment names has an invalid URL, or `max_connections` is not a whole number
            of at least 1.
    """
    from customerio_track_mcp.track.transports.pooled_transport import PooledTransport

    pool = _create_pool(base_url, max_connections)
    return PooledTransport(pool) if isinstance(pool, ConnectionPool) else pool


def preload() -> None:
    """Import what sends a request, and what a failure and a retry need, now rather than with the first request."""
    with without_garbage_collection():
        import tenacity  # noqa: F401

        import customerio_track_mcp.track.transports.aiohttp_backend  # noqa: F401


def _create_pool(base_url: str, max_connections: int) -> ConnectionPool | httpx.AsyncBaseTransport:
    require_count("max_connections", max_connections)
    # Read now rather than with the first request, so that an error is reported at startup.
    certificates = named_certificates() if urlsplit(base_url).scheme == "https" else None
    if proxy := proxy_of_the_environment(base_url):
        from customerio_track_mcp.track.transports.proxied_transport import create_proxied_transport

        return create_proxied_transport(proxy, certificates, max_connections)
    return ConnectionPool(certificates, max_connections)
