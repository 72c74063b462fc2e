"""Close the connection to a proxy through which no TLS connection was established."""

from __future__ import annotations

import anyio
import httpcore
from httpcore._async.http_proxy import AsyncTunnelHTTPConnection


def close_failed_tunnels(pool: httpcore.AsyncConnectionPool) -> None:
    """Let `pool` close a tunnel whose TLS handshake fails or is canceled.

    httpcore neither closes it nor removes it from the pool: after as many failures as the pool has connections, every
    request would wait for one until its timeout. That can go when httpcore does so (a fix of its fork:
    https://github.com/pydantic/httpx2/pull/1226).
    """
    create = pool.create_connection

    def create_connection(origin: httpcore.Origin) -> httpcore.AsyncConnectionInterface:
        connection = create(origin)
        if isinstance(connection, AsyncTunnelHTTPConnection):
            connection.__class__ = _Tunnel
        return connection

    pool.create_connection = create_connection  # type: ignore[method-assign]


class _Tunnel(AsyncTunnelHTTPConnection):
    async def handle_async_request(self, request: httpcore.Request) -> httpcore.Response:
        try:
            return await super().handle_async_request(request)
        except BaseException:
            if not self._connected:
                with anyio.CancelScope(shield=True):
                    await self.aclose()
            raise
