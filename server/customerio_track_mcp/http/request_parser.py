"""Choose the parser of HTTP requests, and build uvicorn's protocol above it."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any, Protocol

from customerio_track_mcp.http.client_timeouts import ClientTimeouts, ClientTimeoutsMixin
from customerio_track_mcp.http.joined_writes import JoinedWritesMixin
from customerio_track_mcp.http.small_reads import SmallReadsMixin
from customerio_track_mcp.http.transport_in_scope import TransportInScopeMixin
from customerio_track_mcp.http.uvicorn_protocol import UvicornProtocol
from customerio_track_mcp.settings.http import HttpParser


class CreateProtocol(Protocol):
    """Creates the protocol of a connection."""

    def __call__(
        self,
        *,
        timeouts: ClientTimeouts,
        buffer: bytearray,
        on_invalid_request: Callable[[], None],
        **uvicorn: Any,
    ) -> UvicornProtocol:
        """Create a protocol.

        Args:
            timeouts: how long the client may take.
            buffer: `small_reads.READ_BYTES`, which all connections of an event loop share.
            on_invalid_request: called for each request that is not valid HTTP.
            uvicorn: uvicorn's arguments.
        """


def protocol_above(parser: HttpParser) -> CreateProtocol:
    """Return the class of protocols above a parser.

    Args:
        parser: `httptools` must be installed; `auto` is httptools if it is installed, and h11 otherwise.
    """
    if parser == "httptools" or (parser == "auto" and find_spec("httptools")):
        from customerio_track_mcp.http.httptools_requests import HttptoolsRequests as Requests
    else:
        from customerio_track_mcp.http.h11_requests import H11Requests as Requests  # type: ignore[assignment]

    class HttpProtocol(  # type: ignore[misc]
        ClientTimeoutsMixin, SmallReadsMixin, JoinedWritesMixin, TransportInScopeMixin, Requests
    ):
        """One connection."""

    return HttpProtocol
