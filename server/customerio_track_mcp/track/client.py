"""An async client of the Track API v1, usable without MCP.

A client owns one connection pool and one rate limiter; keep it for the life of the process.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Self

from customerio_track_mcp.track import operations
from customerio_track_mcp.track.credentials import Credentials
from customerio_track_mcp.track.errors import ClosedError
from customerio_track_mcp.track.observer import Observer
from customerio_track_mcp.track.operations import EventType, TrackRequest
from customerio_track_mcp.track.rate_limit.base import RateLimiter
from customerio_track_mcp.track.rate_limit.local import LocalRateLimiter
from customerio_track_mcp.track.regions import Region
from customerio_track_mcp.track.retries import Progress, RetryingSender
from customerio_track_mcp.track.retry_policy import RetryPolicy
from customerio_track_mcp.track.session import Receipt, Session
from customerio_track_mcp.track.transports.pool import MAX_CONNECTIONS
from customerio_track_mcp.track.urls import read_base_url
from customerio_track_mcp.track.validation.identifiers import IdType

if TYPE_CHECKING:
    import httpx


class TrackClient:
    """A client of one workspace.

        async with TrackClient(Credentials(site_id, api_key), Region.EU.track_url) as client:
            await client.identify("42", email="ann@example.com", attributes={"plan": "pro"})

    Every operation retries connection errors that may pass, timeouts, 408, 429 and 5xx, and nothing else. An operation
    raises `InvalidArgumentsError` or `MissingCredentialsError` before anything is sent, and a subclass of
    `RequestFailedError` if the Track API does not confirm the request. A client that is closed sends nothing: its
    operations raise `ClosedError`. It needs asyncio, and cannot be used in another event loop than that of its first
    request.

    Args:
        credentials: None creates a client whose operations raise `MissingCredentialsError`.
        base_url: the Track API's base URL, such as `Region.US.track_url`: https, or http on loopback. `/api/v1` at its
            end is removed.
        allow_http: whether `base_url` may be http for other hostnames, too: such as that of a sandbox. Credentials and
            data are then not encrypted.
        requests_per_second: the workspace's rate limit. The vendor documents 1000 per second for v1 and v2 together,
            not strictly enforced; an older figure, still quoted, is 100.
            Not used with a `rate_limiter`.
        rate_limiter: used instead of `requests_per_second`, for a limit that is shared.
        max_connections: size of the connection pool. Not used with a `transport`.
        retry_policy: timeouts, attempts and the time budget.
        observer: notified of waits and attempts.
        transport: carries requests instead of the connection pool, and is closed with the client. If it reports nothing
            to httpx's extension `trace`, a request counts as sent from when the transport gets it.

    Raises:
        OSError: certificates that the environment names cannot be read.
        ValueError: `base_url`, `requests_per_second` or `max_connections` is invalid, or the proxy that the environment
            names has an invalid URL. (`Credentials` and `RetryPolicy` are validated when they are created.)
    """

    def __init__(
        self,
        credentials: Credentials | None,
        base_url: str = Region.US.track_url,
        *,
        allow_http: bool = False,
        requests_per_second: float = 100,
        rate_limiter: RateLimiter | None = None,
        max_connections: int = MAX_CONNECTIONS,
        retry_policy: RetryPolicy | None = None,
        observer: Observer | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        base_url = read_base_url(base_url, allow_http=allow_http)
        retry_policy = retry_policy or RetryPolicy()
        self._session = Session(credentials, base_url, retry_policy, max_connections, transport)
        self._sender = RetryingSender(
            self._session, rate_limiter or LocalRateLimiter(requests_per_second), retry_policy, observer or Observer()
        )

    async def __aenter__(self) -> Self:
        if self._sender.is_closed:
            raise ClosedError("the client is closed, and cannot be opened again")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connection pool. The client cannot be used afterwards.

        Every request in flight ends with a `ClosedError` that reports its outcome. Closing it again does nothing
        once it has succeeded; if it was canceled or has failed, it is tried again.
        """
        self._sender.close()
        await self._session.aclose()

    def stop(self) -> None:
        """End every request in flight with a `StoppedError` that reports its outcome, and reject later ones."""
        self._sender.stop()

    async def identify(
        self,
        customer_id: str,
        *,
        email: str | None = None,
        created_at: int | None = None,
        attributes: Mapping[str, object] | None = None,
    ) -> Receipt:
        """Add a person, or update the person identified by `customer_id`; see `operations.identify`."""
        request = operations.identify(customer_id, email=email, created_at=created_at, attributes=attributes)
        return await self.send(request)

    async def track(
        self,
        customer_id: str,
        event_name: str,
        *,
        event_type: EventType | None = None,
        data: Mapping[str, object] | None = None,
        event_id: str | None = None,
        timestamp: int | None = None,
    ) -> Receipt:
        """Record one event for a person; see `operations.track`."""
        return await self.send(
            operations.track(
                customer_id,
                event_name,
                event_type=event_type,
                data=data,
                event_id=event_id,
                timestamp=timestamp,
            )
        )

    async def add_to_segment(
        self, segment_id: str, customer_ids: Sequence[str], *, id_type: IdType = IdType.ID
    ) -> Receipt:
        """Add people to a manual segment; see `operations.add_to_segment`."""
        return await self.send(operations.add_to_segment(segment_id, customer_ids, id_type=id_type))

    async def find_region(self) -> Receipt:
        """Look up the region and workspace that the credentials belong to.

        The receipt's body contains `region` (`us` or `eu`), `url` and `environment_id`, the workspace's number.
        """
        return await self.send(operations.find_region())

    async def send(self, request: TrackRequest, progress: Progress | None = None) -> Receipt:
        """Send a request built by `operations`; see `RetryingSender.send`."""
        return await self._sender.send(request, progress)
