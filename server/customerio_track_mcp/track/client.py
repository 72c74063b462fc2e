"""An async client of the Track API v1, usable without MCP.

One client holds one connection pool and one rate budget; keep it for the life of the process.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Self

import httpx

from customerio_track_mcp.track import operations
from customerio_track_mcp.track.observer import Observer
from customerio_track_mcp.track.operations import EventType, TrackRequest
from customerio_track_mcp.track.rate_limit.local import LocalRateBudget, RateBudget
from customerio_track_mcp.track.regions import Region
from customerio_track_mcp.track.retries import Delivery, Progress, Receipt
from customerio_track_mcp.track.session import Connection, Credentials, Patience
from customerio_track_mcp.track.validation.identifiers import IdType


class TrackClient:
    """A client of one workspace.

        async with TrackClient(Credentials(site_id, api_key), Region.EU.track_url) as client:
            await client.identify("42", email="ann@example.com", attributes={"plan": "pro"})

    Every operation retries connection errors, time-outs, 408, 429 and 5xx, and nothing else. An operation raises
    `InvalidArgumentsError` or `MissingCredentialsError` before anything is sent, and a subclass of
    `RequestFailedError` where no confirmation came.

    Args:
        credentials: None lets the client be built all the same; its operations then raise.
        base_url: the Track API's base URL, such as `Region.US.track_url`.
        requests_per_second: the workspace's rate budget. The vendor documents 1000 a second for v1 and v2
            together, not strictly enforced; an older figure, still quoted, is 100.
        budget: a rate budget that others spend too, in the place of `requests_per_second`.
        max_connections: the connection pool's size.
        patience: time-outs, attempts and the time budget.
        observer: told of waits and attempts.
        transport: carries requests in the place of the connection pool, and is closed with the client.
    """

    def __init__(
        self,
        credentials: Credentials | None,
        base_url: str = Region.US.track_url,
        *,
        requests_per_second: float = 100,
        budget: RateBudget | None = None,
        max_connections: int = 64,
        patience: Patience | None = None,
        observer: Observer | None = None,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        patience = patience or Patience()
        self._connection = Connection(credentials, base_url, patience, max_connections, transport)
        self._delivery = Delivery(
            self._connection, budget or LocalRateBudget(requests_per_second), patience, observer or Observer()
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connection pool. The client can't be used afterwards."""
        await self._connection.aclose()

    def stop(self) -> None:
        """End every request in flight with a `StoppedError`, which tells what is known of it, and refuse later ones."""
        self._delivery.stop()

    async def identify(
        self,
        customer_id: str,
        *,
        email: str | None = None,
        created_at: int | None = None,
        attributes: Mapping[str, object] | None = None,
    ) -> Receipt:
        """Add a person, or update the person that `customer_id` names; see `operations.identify`."""
        request = operations.identify(customer_id, email=email, created_at=created_at, attributes=attributes)
        return await self.send(request)

    async def track(
        self,
        customer_id: str,
        event_name: str,
        *,
        event_type: EventType | None = None,
        data: Mapping[str, object] | None = None,
    ) -> Receipt:
        """Record one event of a person; see `operations.event`."""
        return await self.send(operations.event(customer_id, event_name, event_type=event_type, data=data))

    async def add_to_segment(
        self, segment_id: str, customer_ids: Sequence[str], *, id_type: IdType = IdType.ID
    ) -> Receipt:
        """Put people into a manual segment; see `operations.add_to_segment`."""
        return await self.send(operations.add_to_segment(segment_id, customer_ids, id_type=id_type))

    async def find_region(self) -> Receipt:
        """Ask which region and workspace the credentials belong to.

        The receipt's body holds `region` (`us` or `eu`), `url` and `environment_id`, the workspace's number.
        """
        return await self.send(operations.find_region())

    async def send(self, request: TrackRequest, progress: Progress | None = None) -> Receipt:
        """Send a request that `requests` has built; see `Delivery.deliver`."""
        return await self._delivery.deliver(request, progress)
