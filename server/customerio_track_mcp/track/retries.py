"""From one attempt to an outcome: the rate budget, retries, the time budget, and what is known in the end."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

import anyio
from tenacity import (
    AsyncRetrying,
    RetryCallState,
    retry_if_exception,
    stop_after_attempt,
    stop_before_delay,
    wait_exponential_jitter,
)

from customerio_track_mcp.track.errors import RequestFailedError, StoppedError, TimeBudgetExceededError
from customerio_track_mcp.track.observer import Observer
from customerio_track_mcp.track.operations import TrackRequest
from customerio_track_mcp.track.rate_limit.local import RateBudget
from customerio_track_mcp.track.session import Connection, Patience

logger = logging.getLogger("customerio_track_mcp.track")


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
class Progress:
    """How far a request has come; filled in while it is under way.

    Attributes:
        attempts: how many times the request was tried, or is being tried.
        outcome_unknown: whether it may have been carried out without a confirmation.
        last_failure: why the last attempt failed; None where none has.
    """

    attempts: int = 0
    outcome_unknown: bool = False
    last_failure: RequestFailedError | None = None


class Delivery:
    """Delivers requests over one connection, within the workspace's rate budget.

    Args:
        connection: where attempts go.
        budget: lets each attempt go.
        patience: attempts, pauses and the time budget.
        observer: told of waits and attempts.
    """

    def __init__(self, connection: Connection, budget: RateBudget, patience: Patience, observer: Observer) -> None:
        self._connection = connection
        self._budget = budget
        self._patience = patience
        self._observer = observer
        self._stopped = False
        self._in_flight: set[anyio.CancelScope] = set()
        self._backoff = wait_exponential_jitter(multiplier=patience.first_backoff, max=8, jitter=patience.first_backoff)

    async def deliver(self, request: TrackRequest, progress: Progress | None = None) -> Receipt:
        """Send a request until it is confirmed, refused, or the attempts or the time budget run out.

        Args:
            request: what to send.
            progress: filled in on the way, for who wants to know even if the wait is given up.

        Raises:
            MissingCredentialsError: nothing was sent.
            StoppedError: `stop` was called before the outcome was known, or before anything was sent.
            RequestFailedError: no confirmation came; `outcome_unknown` tells whether it may have been carried out.
        """
        self._connection.require_credentials()
        progress = progress or Progress()
        try:
            return await self._within_time(request, progress)
        except TimeoutError:
            raise _told(self._out_of_time(progress), request, progress) from progress.last_failure
        except RequestFailedError as error:
            raise _told(error, request, progress) from error.__cause__

    def stop(self) -> None:
        """End every delivery in flight with a `StoppedError`, and refuse those that come later."""
        self._stopped = True
        for scope in self._in_flight:
            scope.deadline = anyio.current_time()

    async def _within_time(self, request: TrackRequest, progress: Progress) -> Receipt:
        if self._stopped:
            raise TimeoutError
        with anyio.fail_after(self._patience.time_budget) as scope:
            self._in_flight.add(scope)
            try:
                return await self._attempts(request, progress)
            finally:
                self._in_flight.discard(scope)

    async def _attempts(self, request: TrackRequest, progress: Progress) -> Receipt:
        try:
            body = await self._attempt(request, progress)
        except RequestFailedError as failure:
            if self._stopped:
                raise TimeoutError from failure
            body = await self._retry(request, progress, failure)
        return Receipt(attempts=progress.attempts, body=body, event_id=request.event_id)

    async def _retry(self, request: TrackRequest, progress: Progress, first: RequestFailedError) -> dict[str, object]:
        seconds_left = anyio.current_effective_deadline() - anyio.current_time()
        attempts = AsyncRetrying(
            retry=retry_if_exception(lambda error: isinstance(error, RequestFailedError) and error.retryable),
            wait=self._pause,
            stop=stop_after_attempt(self._patience.max_attempts) | stop_before_delay(seconds_left),
            before_sleep=_log_failed_attempt,
            sleep=anyio.sleep,
            reraise=True,
        )
        body: dict[str, object] = {}
        async for attempt in attempts:
            with attempt:
                # That one was made without tenacity, which most calls then need not pay for.
                if attempt.retry_state.attempt_number == 1:
                    raise first
                body = await self._attempt(request, progress)
        return body

    async def _attempt(self, request: TrackRequest, progress: Progress) -> dict[str, object]:
        asked = anyio.current_time()
        try:
            await self._budget.acquire()
        finally:
            self._observer.waited(anyio.current_time() - asked)
        progress.attempts += 1
        unknown_before, was_sent = progress.outcome_unknown, False

        def sent() -> None:
            nonlocal was_sent
            # From here on, running out of time leaves it open; waiting for a connection does not.
            was_sent = progress.outcome_unknown = True

        with self._observer.attempting(request, progress.attempts) as attempt:
            try:
                confirmation = await self._connection.attempt(request, sent)
            except RequestFailedError as failure:
                attempt.status = failure.status
                progress.outcome_unknown = unknown_before or (was_sent and failure.outcome_unknown)
                progress.last_failure = failure
                raise
            attempt.status = confirmation.status
            return confirmation.body

    def _pause(self, state: RetryCallState) -> float:
        failure = state.outcome.exception() if state.outcome else None
        asked = failure.retry_after if isinstance(failure, RequestFailedError) else None
        return max(self._backoff(state), asked or 0.0)

    def _out_of_time(self, progress: Progress) -> RequestFailedError:
        ended = "this server is stopping: the call was ended" if self._stopped else self._budget_ran_out
        error = StoppedError if self._stopped else TimeBudgetExceededError
        if progress.attempts == 0:
            waiting = "" if self._stopped else " while waiting for the rate budget,"
            return error(f"{ended}{waiting} before anything was sent")
        last = f"; before that {progress.last_failure}" if progress.last_failure else ""
        return error(f"{ended} after {progress.attempts} {_plural(progress.attempts)}{last}")

    @property
    def _budget_ran_out(self) -> str:
        return f"the time budget of {self._patience.time_budget:g} seconds ran out"


def _plural(attempts: int) -> str:
    return "attempt" if attempts == 1 else "attempts"


def _told(error: RequestFailedError, request: TrackRequest, progress: Progress) -> RequestFailedError:
    error.attempts = progress.attempts
    error.outcome_unknown = progress.outcome_unknown
    error.event_id = request.event_id
    return error


def _log_failed_attempt(state: RetryCallState) -> None:
    failure = state.outcome.exception() if state.outcome else None
    status = failure.status if isinstance(failure, RequestFailedError) else None
    logger.warning(
        "attempt failed",
        extra={
            "attempt": state.attempt_number,
            "error": type(failure).__name__,
            "status": status,
            "next_in_s": round(state.upcoming_sleep, 3),
        },
    )
