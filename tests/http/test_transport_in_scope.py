"""What the application can see of a connection."""

from __future__ import annotations

import asyncio
import socket

from customerio_track_mcp.http.transport_in_scope import is_written


async def test_only_what_the_system_has_taken_is_written_and_only_to_an_open_connection() -> None:
    ours, theirs = socket.socketpair()
    with theirs:
        _, writer = await asyncio.open_connection(sock=ours)
        scope = {"state": {"transport": writer.transport}}
        assert is_written(scope)
        size = 4_000_000
        writer.write(b"x" * size)
        assert not is_written(scope)
        theirs.setblocking(False)
        while size:
            size -= len(await asyncio.get_running_loop().sock_recv(theirs, 1_000_000))
        await writer.drain()
        assert is_written(scope)
        writer.close()
        assert not is_written(scope)
