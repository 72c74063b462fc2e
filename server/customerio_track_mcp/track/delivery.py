"""From one attempt to an outcome: the rate budget, retries, the time budget, and what is known in the end."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

import anyio
from aiolimiter import AsyncLimiter
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception,
    stop_after_attempt,
    stop_before_delay,
    wait_exponential_jitter,
)

from customerio_track_mcp.track.connection import Connection, Patience
from customerio_track_mcp.track.errors import RequestFailedError, TimeBudgetExceededError
from customerio_track_mcp.track.requests import TrackRequest

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Receipt:
    """The Track API's confirmation of one request.

    Attributes:
        attempts: how many times the request was tried.
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


class Delivery:
    """Delivers requests over one connection, within the workspace's rate budget.

    Args:
        connection: where attempts go.
        requests_per_second: the rate budget.
        patience: attempts, pauses and the time budget.
    """

    def __init__(self, connection: Connection, requests_per_second: float, patience: Patience) -> None:
        self._connection = connection
        self._patience = patience
        # A tenth of a second's worth may go in a burst, so that a second sees 1.1 times the budget at the most.
        # (Requests that then had to wait for a connection can still bunch up behind a stalled server.)
        burst = max(1.0, requests_per_second / 10)
        self._limiter = AsyncLimiter(burst, time_period=burst / requests_per_second)
        self._backoff = wait_exponential_jitter(multiplier=patience.first_backoff, max=8, jitter=patience.first_backoff)

    async def deliver(self, request: TrackRequest) -> Receipt:
        """Send a request until it is confirmed, refused, or the attempts or the time budget run out.

        Raises:
            MissingCredentialsError: nothing was sent.
            RequestFailedError: no confirmation came; `outcome_unknown` tells whether it may have been carried out.
        """
        self._connection.require_credentials()
        progress = _Progress()
        try:
            with anyio.fail_after(self._patience.time_budget):
                return await self._retry(request, progress)
        except TimeoutError:
            raise _told(self._out_of_time(progress), request, progress) from progress.last_failure
        except RequestFailedError as error:
            raise _told(error, request, progress) from error.__cause__

    async def _retry(self, request: TrackRequest, progress: _Progress) -> Receipt:
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
            return await self._connection.attempt(request)
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
        return TimeBudgetExceededError(f"{budget} after {progress.attempts} {_plural(progress.attempts)}{last}")


def _plural(attempts: int) -> str:
    return "attempt" if attempts == 1 else "attempts"


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
