"""A limit on open connections: each takes a file descriptor, which requests to the Track API need too."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

from customerio_track_mcp.http.periodic_count import PeriodicCount

logger = logging.getLogger("customerio_track_mcp.http")

ACCEPTS_AT_ONCE: Final = 16
"""Connections that asyncio accepts in one step. Without a free descriptor, it fails as often, and again each second."""

_LOG_SECONDS: Final = 10
_ACCEPT_FAILED: Final = "socket.accept() out of system resource"
"""asyncio's message if a connection cannot be accepted; the context that it passes contains nothing else to go by."""


class ConnectionLimit:
    """Creates the protocol of each connection, for uvicorn; closes connections beyond a maximum at once.

    The number is checked before a connection is counted, so it can be exceeded by `ACCEPTS_AT_ONCE`.

    Args:
        protocol: uvicorn's protocol class.
        max_connections: open connections.
        on_refused: called for each connection that is closed.
    """

    def __init__(
        self, protocol: Callable[..., asyncio.Protocol], max_connections: int, on_refused: Callable[[], None]
    ) -> None:
        self._protocol = protocol
        self._max_connections = max_connections
        self._on_refused = on_refused
        self._refused = PeriodicCount(_LOG_SECONDS, self._log)

    def __call__(self, **uvicorn: Any) -> asyncio.Protocol:
        """Create a protocol with uvicorn's arguments."""
        if len(uvicorn["server_state"].connections) < self._max_connections:
            return self._protocol(**uvicorn)
        self._refused.add()
        self._on_refused()
        return _RefusedConnection()

    def _log(self, refused: int) -> None:
        logger.warning("connections refused", extra={"refused": refused, "max_connections": self._max_connections})


class _RefusedConnection(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        transport.close()


@contextmanager
def logging_accept_failures() -> Iterator[None]:
    """Log how many connections cannot be accepted, in one line per ten seconds, instead of a traceback for each.

    It happens if something else has taken the system's descriptors or memory.
    """
    loop = asyncio.get_running_loop()
    failures = PeriodicCount(
        _LOG_SECONDS, lambda number: logger.error("connections can't be accepted", extra={"failures": number})
    )

    def handle(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        if context.get("message") == _ACCEPT_FAILED:
            failures.add()
        else:
            loop.default_exception_handler(context)

    loop.set_exception_handler(handle)
    try:
        yield
    finally:
        loop.set_exception_handler(None)
