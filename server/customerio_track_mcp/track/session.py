"""One attempt at a request: headers, credentials and timeouts, over the connection pool."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

from customerio_track_mcp.track.credentials import Credentials
from customerio_track_mcp.track.errors import MissingCredentialsError
from customerio_track_mcp.track.operations import TrackRequest
from customerio_track_mcp.track.responses import parse_response
from customerio_track_mcp.track.retry_policy import RetryPolicy
from customerio_track_mcp.track.transports.base import Destination, RequestSender
from customerio_track_mcp.track.transports.pool import create_sender

if TYPE_CHECKING:
    import httpx

USER_AGENT: Final = f"customerio-track-mcp/{version('customerio-track-mcp')}"


@dataclass(frozen=True, slots=True)
class Receipt:
    """The Track API's confirmation of one request.

    Attributes:
        status: the HTTP status of the response.
        body: the JSON object of the response; empty except for a region lookup.
        attempts: how many times the request was tried.
        event_id: the ULID that the event carried; None for other requests.
    """

    status: int
    body: Mapping[str, object]
    attempts: int
    event_id: str | None


class Session:
    """A connection pool for one workspace's Track API.

    Args:
        credentials: None creates a session whose attempts raise `MissingCredentialsError`.
        base_url: the Track API's base URL.
        retry_policy: supplies the timeouts.
        max_connections: size of the pool.
        transport: carries requests instead of the pool.
    """

    def __init__(
        self,
        credentials: Credentials | None,
        base_url: str,
        retry_policy: RetryPolicy,
        max_connections: int,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._credentials = credentials
        self._secrets = credentials.secrets if credentials is not None else ()
        headers = {"User-Agent": USER_AGENT, "Accept": "application/json", "Accept-Encoding": "identity"}
        if credentials is not None:
            headers["Authorization"] = f"Basic {credentials.basic}"
        destination = Destination(
            base_url.rstrip("/"),
            headers,
            {**headers, "Content-Type": "application/json"},
            {
                "connect": retry_policy.connect_timeout,
                "read": retry_policy.read_timeout,
                "write": retry_policy.write_timeout,
                "pool": retry_policy.pool_timeout,
            },
        )
        self._sender = (
            create_sender(destination, max_connections) if transport is None else _sender_over(transport, destination)
        )
        self._is_closed = False

    async def aclose(self) -> None:
        """Close every connection of the pool, unless that is done."""
        if not self._is_closed:
            await self._sender.aclose()
            self._is_closed = True

    def require_credentials(self) -> None:
        """Check that attempts can authenticate.

        Raises:
            MissingCredentialsError: the session was created without credentials.
        """
        if self._credentials is None:
            raise MissingCredentialsError("The Site ID or the API key is not configured")

    async def attempt(self, request: TrackRequest, number: int, on_sending: Callable[[], None]) -> Receipt:
        """Send `request` once.

        Args:
            request: what to send.
            number: 1 for the first attempt.
            on_sending: called right before the first byte of the request is sent.

        Raises:
            RequestFailedError: the Track API did not confirm the request.
        """
        response = await self._sender.send(request, on_sending)
        body = parse_response(response, self._secrets)
        return Receipt(response.status, body, attempts=number, event_id=request.event_id)


def _sender_over(transport: httpx.AsyncBaseTransport, destination: Destination) -> RequestSender:
    from customerio_track_mcp.track.transports.httpx_sender import HttpxSender

    return HttpxSender(transport, destination)
