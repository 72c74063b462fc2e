"""The connection of a request, for the application: uvicorn does not report whether a response was written to it."""

from __future__ import annotations

import asyncio
from typing import Final

from starlette.types import Scope

from customerio_track_mcp.http.uvicorn_protocol import UvicornProtocol

_KEY: Final = "transport"


class TransportInScopeMixin(UvicornProtocol):
    """Adds the connection's transport to the state of each request's scope.

    uvicorn copies `app_state`, an attribute that is not part of its public interface, to each scope. Its `send` returns
    without an error if the connection is closed.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Handle a new connection; called by asyncio."""
        super().connection_made(transport)
        self.app_state = self.app_state | {_KEY: transport}


def transport_of(scope: Scope) -> asyncio.Transport | None:
    """Return the transport of a request's connection; None if another server serves it."""
    transport: asyncio.Transport | None = scope.get("state", {}).get(_KEY)
    return transport


def is_written(scope: Scope) -> bool:
    """Return whether the system has taken everything written to a request's connection, which is still open."""
    transport = transport_of(scope)
    return transport is None or not (transport.is_closing() or transport.get_write_buffer_size())
