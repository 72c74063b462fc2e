"""Accept connections up to a maximum, and end those of clients that stay silent."""

from __future__ import annotations

import asyncio
import logging
import socket
from ssl import SSLContext
from typing import Final, cast

from aiohttp import web

from customerio_track_mcp.sandbox.bounds import MAX_CONNECTIONS, SEND_SECONDS
from customerio_track_mcp.sandbox.tls_handshakes import TlsHandshakes

logger = logging.getLogger("customerio_track_mcp.sandbox")

_BACKLOG: Final = 32
"""asyncio accepts this many connections before it asks for a protocol for any of them."""
_SECONDS_BETWEEN_LINES: Final = 10
_REASON: Final = b"The maximum number of connections is open; close some, then try again.\n"
_REFUSAL: Final = (
    b"HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain\r\nConnection: close\r\n"
    b"Content-Length: %d\r\n\r\n%b" % (len(_REASON), _REASON)
)


def max_connections() -> int:
    """Return how many connections may be open: at most a quarter of the descriptors that the process may open.

    asyncio accepts some more before they are refused, and without a free descriptor it logs a traceback for each.
    """
    try:
        import resource
    except ImportError:  # Windows has no such limit
        return MAX_CONNECTIONS
    descriptors, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return MAX_CONNECTIONS if descriptors == resource.RLIM_INFINITY else min(MAX_CONNECTIONS, descriptors // 4)


async def listen(
    server: web.Server, host: str, port: int, ssl_context: SSLContext | None, maximum: int | None = None
) -> asyncio.Server:
    """Accept connections for `server`.

    Args:
        server: serves them. A connection counts until its last request has been processed.
        host: the address to listen on.
        port: the port to listen on; 0 for any free port.
        ssl_context: the TLS configuration; None serves plain HTTP.
        maximum: maximum number of connections; None for `max_connections()`.

    Raises:
        OSError: the address cannot be listened on.
    """
    loop = asyncio.get_running_loop()
    limit = max_connections() if maximum is None else maximum
    handshakes = TlsHandshakes(ssl_context) if ssl_context else None
    next_line = loop.time()

    def protocol() -> asyncio.Protocol:
        nonlocal next_line
        if len(server.connections) + (0 if handshakes is None else handshakes.number) < limit:
            handler = cast(asyncio.Protocol, server())
            return handler if handshakes is None else handshakes.protocol(handler)
        if loop.time() >= next_line:
            next_line = loop.time() + _SECONDS_BETWEEN_LINES
            logger.warning("the sandbox has its maximum of %d connections: further ones get 503", limit)
        return _Refusal(_REFUSAL if handshakes is None else b"")

    listener = await loop.create_server(protocol, host, port, backlog=_BACKLOG)
    if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux
        for listening in listener.sockets:
            # Inherited by the connections. It ends those whose client does not receive.
            listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, SEND_SECONDS * 1000)
    return listener


class _Refusal(asyncio.Protocol):
    def __init__(self, response: bytes) -> None:
        self._response = response

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        client = cast(asyncio.Transport, transport)
        client.write(self._response)
        client.close()
