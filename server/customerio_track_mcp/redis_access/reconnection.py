"""Close connections to a Redis that does not respond, so that the next ones go to whichever server answers then."""

from __future__ import annotations

from contextlib import suppress

import anyio
from redis.asyncio import ConnectionPool

from customerio_track_mcp.redis_access.connections import RESPONSE_TIMEOUT


class Reconnection:
    """Closes the connections of a pool. Never raises.

    redis-py waits for the end of a connection on a future that all who wait share: if one of them is canceled, so are
    the others. So at most one task waits, and connections in use are left to their users, who close them on an error.

    Args:
        connections: the pool.
    """

    def __init__(self, connections: ConnectionPool) -> None:
        self._connections = connections
        self._is_running = False

    async def close_idle(self) -> None:
        """Close the connections that are not in use, so that a hostname is looked up again."""
        await self._close(in_use=False)

    async def close_all(self) -> None:
        """Close every connection."""
        await self._close(in_use=True)

    async def _close(self, *, in_use: bool) -> None:
        if self._is_running:
            return
        self._is_running = True
        try:
            with anyio.move_on_after(RESPONSE_TIMEOUT, shield=True), suppress(Exception):
                await self._connections.disconnect(inuse_connections=in_use)
        finally:
            self._is_running = False
