"""Accept connections up to a maximum, and end those of clients that stay silent."""

from __future__ import annotations

import asyncio
import logging
import socket
from contextlib import suppress
from ssl import SSLContext
from typing import Final, cast
from weakref import WeakSet

from aiohttp import web

from customerio_track_mcp.sandbox.bounds import MAX_CONNECTIONS, SEND_SECONDS
from customerio_track_mcp.sandbox.tls_handshakes import TlsHandshakes

logger = logging.getLogger("customerio_track_mcp.sandbox")

_BACKLOG: Final = 32
"""asyncio accepts this many connections before it asks for a protocol for any of them."""
_ITERATIONS: Final = 4
"""Iterations of the loop from an accepted connection to its protocol, and from its end to its closed socket."""
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


class Connections:
    """The connections of one server.

    Args:
        ssl_context: the TLS configuration; None serves plain HTTP.
        maximum: maximum number of connections; None for `max_connections()`.
    """

    def __init__(self, ssl_context: SSLContext | None, maximum: int | None = None) -> None:
        self._limit = max_connections() if maximum is None else maximum
        self._handshakes = TlsHandshakes(ssl_context) if ssl_context else None
        self._transports: WeakSet[asyncio.Transport] = WeakSet()
        self._next_line = 0.0

    async def listen(self, server: web.Server, host: str, port: int) -> asyncio.Server:
        """Accept connections for `server`.

        Args:
            server: serves them. A connection counts until its last request has been processed.
            host: the address to listen on.
            port: the port to listen on; 0 for any free port.

        Raises:
            OSError: the address cannot be listened on.
        """
        loop = asyncio.get_running_loop()
        listener = await loop.create_server(lambda: self._protocol(server), host, port, backlog=_BACKLOG)
        if hasattr(socket, "TCP_USER_TIMEOUT"):  # Linux
            for listening in listener.sockets:
                # Inherited by the connections. It ends those whose client does not receive.
                listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, SEND_SECONDS * 1000)
        return listener

    async def close(self, listener: asyncio.Server) -> None:
        """Close a listener, after the connections that it has accepted have a protocol.

        asyncio fails for those whose server is closed before, and does not close their sockets:
        https://github.com/python/cpython/issues/109564
        """
        loop = asyncio.get_running_loop()
        with suppress(NotImplementedError):  # Windows
            for listening in listener.sockets:
                loop.remove_reader(listening)
        for _ in range(_ITERATIONS):
            await asyncio.sleep(0)
        listener.close()

    async def end(self) -> None:
        """Close the sockets of all connections, after the listener and the server have been closed.

        The server has closed its connections, but asyncio keeps some of them: for up to 30 s until a TLS client has
        confirmed the end, and without a limit until a client has received everything.
        """
        for _ in range(_ITERATIONS):
            for transport in list(self._transports):
                transport.abort()
            await asyncio.sleep(0)
        if self._handshakes is not None:
            await self._handshakes.end()

    def _protocol(self, server: web.Server) -> asyncio.Protocol:
        """Return the protocol of a new connection."""
        handshakes = self._handshakes
        if len(server.connections) + (0 if handshakes is None else handshakes.number) < self._limit:
            handler = cast(asyncio.Protocol, server())
            return _NewConnection(self._transports, handler if handshakes is None else handshakes.protocol(handler))
        now = asyncio.get_running_loop().time()
        if now >= self._next_line:
            self._next_line = now + _SECONDS_BETWEEN_LINES
            logger.warning("the sandbox has its maximum of %d connections: further ones get 503", self._limit)
        return _NewConnection(self._transports, _Refusal(_REFUSAL if handshakes is None else b""))


class _NewConnection(asyncio.Protocol):
    """Adds a new connection to those that are open, and gives it its protocol.

    Args:
        transports: the connections that are open.
        protocol: the protocol.
    """

    def __init__(self, transports: WeakSet[asyncio.Transport], protocol: asyncio.Protocol) -> None:
        self._transports = transports
        self._protocol = protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        connection = cast(asyncio.Transport, transport)
        self._transports.add(connection)
        connection.set_protocol(self._protocol)
        self._protocol.connection_made(connection)


class _Refusal(asyncio.Protocol):
    def __init__(self, response: bytes) -> None:
        self._response = response

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        client = cast(asyncio.Transport, transport)
        client.write(self._response)
        client.close()
