"""Begin TLS on connections that are counted from the start.

With `ssl` in `create_server`, asyncio reports a connection only after its handshake: those of silent clients could not
be counted, and would take every file descriptor.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from ssl import SSLContext
from typing import cast

from customerio_track_mcp.sandbox.bounds import HANDSHAKE_SECONDS


class TlsHandshakes:
    """The connections whose handshake is not complete.

    Args:
        context: the TLS configuration of the server.
    """

    def __init__(self, context: SSLContext) -> None:
        self._context = context
        self._waiting: set[asyncio.Protocol] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def number(self) -> int:
        """How many there are."""
        return len(self._waiting)

    def protocol(self, handler: asyncio.Protocol) -> asyncio.Protocol:
        """Return the protocol of a new connection, on which `handler` is used once it is secure."""

        def begin(transport: asyncio.BaseTransport) -> None:
            task = asyncio.get_running_loop().create_task(self._secure(waiting, transport, handler))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

        waiting = _Accepted(begin)
        self._waiting.add(waiting)
        return waiting

    async def end(self) -> None:
        """Cancel the handshakes."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _secure(
        self, waiting: asyncio.Protocol, transport: asyncio.BaseTransport, handler: asyncio.Protocol
    ) -> None:
        early = _EarlyData()
        try:
            secured = await asyncio.get_running_loop().start_tls(
                cast(asyncio.WriteTransport, transport),
                early,
                self._context,
                server_side=True,
                ssl_handshake_timeout=HANDSHAKE_SECONDS,
            )
        except OSError:  # not TLS, a client that does not trust the certificate, has left, or stays silent
            return
        finally:
            self._waiting.discard(waiting)
        if secured is None or early.is_lost:
            return
        secured.set_protocol(handler)
        handler.connection_made(secured)
        for chunk in early.chunks:
            handler.data_received(chunk)


class _Accepted(asyncio.Protocol):
    def __init__(self, begin: Callable[[asyncio.BaseTransport], None]) -> None:
        self._begin = begin

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._begin(transport)


class _EarlyData(asyncio.Protocol):
    """Keeps what arrives together with the end of the handshake, before `start_tls` returns.

    Attributes:
        chunks: the data.
        is_lost: whether the connection has been closed.
    """

    def __init__(self) -> None:
        self.chunks: list[bytes] = []
        self.is_lost = False

    def data_received(self, data: bytes) -> None:
        self.chunks.append(data)

    def connection_lost(self, exc: Exception | None) -> None:
        del exc
        self.is_lost = True
