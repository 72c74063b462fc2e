"""An async client of the Track API v1, usable without MCP.

One client holds one connection pool and one rate budget; keep it for the life of the process.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import version
from types import TracebackType
from typing import Final, Self

import anyio
import httpx
from aiolimiter import AsyncLimiter
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception,
    stop_after_attempt,
    stop_before_delay,
    wait_exponential_jitter,
)

from customerio_track_mcp.track import requests
from customerio_track_mcp.track.answers import read_answer, read_transport_error
from customerio_track_mcp.track.errors import (
    MissingCredentialsError,
    RequestFailedError,
    TimeBudgetExceededError,
)
from customerio_track_mcp.track.hosts import Region, is_loopback
from customerio_track_mcp.track.identifiers import IdType
from customerio_track_mcp.track.requests import EventType, TrackRequest

logger = logging.getLogger(__name__)

USER_AGENT: Final = f"customerio-track-mcp/{version('customerio-track-mcp')}"


@dataclass(frozen=True, slots=True)
class Credentials:
    """What the Track API wants as HTTP Basic user name and password.

    Attributes:
        site_id: the workspace's Site ID.
        api_key: its Tracking API key; an App API key is a different credential and does not serve.
    """

    site_id: str = field(repr=False)
    api_key: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long to wait and how often to try. Times are in seconds."""

    connect_timeout: float = 5.0
    read_timeout: float = 10.0
    write_timeout: float = 10.0
    pool_timeout: float = 10.0
    max_attempts: int = 4
    time_budget: float = 30.0
    """For one call as a whole: waiting for the rate budget, every attempt, and the pauses between them."""
    first_backoff: float = 0.5
    """The pause after the first failed attempt. It doubles with each further one, up to 8 seconds; a random part of
    up to one first pause comes on top. A longer `Retry-After` takes its place."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """The Track API's confirmation of one request.

    Attributes:
        attempts: how many times the request was put on the wire.
        body: the JSON object of the answer; empty but for a region lookup.
        event_id: the ULID that the event carried; None for other requests.
    """

    attempts: int
    body: Mapping[str, object]
    event_id: str | None


@dataclass(slots=True)
class _Progress:
    attempts: int = 0
    outcome_unknown: bool = False
    last_failure: RequestFailedError | None = None


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
        max_connections: the connection pool's size.
        patience: time-outs, attempts and the time budget.
    """

    def __init__(
        self,
        credentials: Credentials | None,
        base_url: str = Region.US.track_url,
        *,
        requests_per_second: float = 100,
        max_connections: int = 64,
        patience: Patience | None = None,
    ) -> None:
        self._credentials = credentials
        self._base_url = base_url.rstrip("/")
        self._patience = patience or Patience()
        # A burst of a tenth of a second's worth: no second ever sees more than 1.1 times the budget.
        burst = max(1.0, requests_per_second / 10)
        self._limiter = AsyncLimiter(burst, time_period=burst / requests_per_second)
        self._backoff = wait_exponential_jitter(
            multiplier=self._patience.first_backoff, max=8, jitter=self._patience.first_backoff
        )
        self._http = httpx.AsyncClient(
            auth=httpx.BasicAuth(credentials.site_id, credentials.api_key) if credentials else None,
            headers={"User-Agent": USER_AGENT, "Accept": "application/json"},
            timeout=httpx.Timeout(
                connect=self._patience.connect_timeout,
                read=self._patience.read_timeout,
                write=self._patience.write_timeout,
                pool=self._patience.pool_timeout,
            ),
            limits=httpx.Limits(max_connections=max_connections, max_keepalive_connections=max_connections),
            follow_redirects=False,
            # A proxy named in the environment has no way to this machine's own loopback.
            trust_env=not is_loopback(httpx.URL(self._base_url).host),
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close the connection pool. The client can't be used afterwards."""
        await self._http.aclose()

    async def identify(
        self,
        customer_id: str,
        *,
        email: str | None = None,
        created_at: int | None = None,
        attributes: Mapping[str, object] | None = None,
    ) -> Receipt:
        """Add a person, or update the person that `customer_id` names; see `requests.identify`."""
        request = requests.identify(customer_id, email=email, created_at=created_at, attributes=attributes)
        return await self.send(request)

    async def track(
        self,
        customer_id: str,
        event_name: str,
        *,
        event_type: EventType | None = None,
        data: Mapping[str, object] | None = None,
    ) -> Receipt:
        """Record one event of a person; see `requests.event`."""
        return await self.send(requests.event(customer_id, event_name, event_type=event_type, data=data))

    async def add_to_segment(
        self, segment_id: str, customer_ids: Sequence[str], *, id_type: IdType = IdType.ID
    ) -> Receipt:
        """Put people into a manual segment; see `requests.add_to_segment`."""
        return await self.send(requests.add_to_segment(segment_id, customer_ids, id_type=id_type))

    async def find_region(self) -> Receipt:
        """Ask which region and workspace the credentials belong to.

        The receipt's body holds `region` (`us` or `eu`), `url` and `environment_id`, the workspace's number.
        """
        return await self.send(requests.find_region())

    async def send(self, request: TrackRequest) -> Receipt:
        """Send a request until it is confirmed, refused, or the attempts or the time budget run out.

        Raises:
            MissingCredentialsError: nothing was sent.
            RequestFailedError: no confirmation came; `outcome_unknown` tells whether it may have been carried out.
        """
        if self._credentials is None:
            raise MissingCredentialsError("no Site ID or no API key is configured")
        progress = _Progress()
        try:
            with anyio.fail_after(self._patience.time_budget):
                return await self._send_with_retries(request, progress)
        except TimeoutError:
            raise self._told(self._out_of_time(progress), request, progress) from progress.last_failure
        except RequestFailedError as error:
            raise self._told(error, request, progress) from error.__cause__

    async def _send_with_retries(self, request: TrackRequest, progress: _Progress) -> Receipt:
        attempts = AsyncRetrying(
            retry=retry_if_exception(lambda error: isinstance(error, RequestFailedError) and error.retryable),
            wait=self._pause,
            stop=stop_after_attempt(self._patience.max_attempts) | stop_before_delay(self._patience.time_budget),
            before_sleep=_log_failed_attempt,
            sleep=anyio.sleep,
            reraise=True,
        )
        async for attempt in attempts:
            with attempt:
                await self._limiter.acquire()
                body = await self._attempt(request, progress)
        return Receipt(attempts=progress.attempts, body=body, event_id=request.event_id)

    async def _attempt(self, request: TrackRequest, progress: _Progress) -> dict[str, object]:
        progress.attempts += 1
        # Until the attempt has failed in a way that says otherwise, running out of time leaves it open.
        unknown_before, progress.outcome_unknown = progress.outcome_unknown, True
        try:
            response = await self._http.request(
                request.method,
                self._base_url + request.path,
                content=request.content,
                headers={"Content-Type": "application/json"} if request.content else None,
            )
            return read_answer(response)
        except httpx.RequestError as error:
            failure = read_transport_error(error)
            progress.outcome_unknown = unknown_before or failure.outcome_unknown
            progress.last_failure = failure
            raise failure from error
        except RequestFailedError as failure:
            progress.outcome_unknown = unknown_before or failure.outcome_unknown
            progress.last_failure = failure
            raise

    def _pause(self, state: RetryCallState) -> float:
        failure = state.outcome.exception() if state.outcome else None
        asked = failure.retry_after if isinstance(failure, RequestFailedError) else None
        return max(self._backoff(state), asked or 0.0)

    def _out_of_time(self, progress: _Progress) -> TimeBudgetExceededError:
        budget = f"the time budget of {self._patience.time_budget:g} seconds ran out"
        if progress.attempts == 0:
            return TimeBudgetExceededError(f"{budget} while waiting for the rate budget, before anything was sent")
        last = f"; before that {progress.last_failure}" if progress.last_failure else ""
        return TimeBudgetExceededError(f"{budget} in attempt {progress.attempts}{last}")

    @staticmethod
    def _told(error: RequestFailedError, request: TrackRequest, progress: _Progress) -> RequestFailedError:
        error.attempts = progress.attempts
        error.outcome_unknown = progress.outcome_unknown
        error.event_id = request.event_id
        return error


def _log_failed_attempt(state: RetryCallState) -> None:
    failure = state.outcome.exception() if state.outcome else None
    status = failure.status if isinstance(failure, RequestFailedError) else None
    logger.warning(
        "attempt %d failed (%s, status %s); the next follows in %.1f s",
        state.attempt_number,
        type(failure).__name__,
        status,
        state.upcoming_sleep,
    )
