"""From attempts to an outcome: rate limit, retries, deadline, and what is known at the end."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from customerio_track_mcp.track.errors import ClosedError, RequestFailedError, StoppedError, TimeBudgetExceededError
from customerio_track_mcp.track.observer import Observer
from customerio_track_mcp.track.operations import TrackRequest
from customerio_track_mcp.track.rate_limit.base import RateLimiter
from customerio_track_mcp.track.retry_policy import RetryPolicy
from customerio_track_mcp.track.session import Receipt, Session

if TYPE_CHECKING:
    from tenacity import RetryCallState

logger = logging.getLogger("customerio_track_mcp.track")

_REASONS: Final[Mapping[type[RequestFailedError], str]] = {
    StoppedError: "the server is stopping and ended the call",
    ClosedError: "the client was closed and ended the call",
}


@dataclass(slots=True)
class Progress:
    """The state of a request, updated while it is being sent.

    Attributes:
        attempts: attempts made so far, the running one included.
        outcome_unknown: whether the request may have been carried out without a confirmation.
        last_failure: why the last attempt failed; None if none has failed.
    """

    attempts: int = 0
    outcome_unknown: bool = False
    last_failure: RequestFailedError | None = None


class RetryingSender:
    """Sends requests over one session, within the workspace's rate limit.

    Args:
        session: makes the attempts.
        rate_limiter: delays each attempt until the rate limit allows it.
        retry_policy: attempts, backoff and time budget.
        observer: notified of waits and attempts.
    """

    def __init__(
        self, session: Session, rate_limiter: RateLimiter, retry_policy: RetryPolicy, observer: Observer
    ) -> None:
        self._session = session
        self._rate_limiter = rate_limiter
        self._retry_policy = retry_policy
        self._observer = observer
        self._closed = False
        self._ended_by: type[RequestFailedError] | None = None
        self._in_flight: set[asyncio.Timeout] = set()

    async def send(self, request: TrackRequest, progress: Progress | None = None) -> Receipt:
        """Send a request until it is confirmed or rejected, or attempts or time run out.

        Args:
            request: what to send.
            progress: updated on the way, so that it is also known for a canceled call.

        Raises:
            MissingCredentialsError: nothing was sent.
            ClosedError: `close` was called before the outcome was known, or before anything was sent.
            StoppedError: `stop` was called before the outcome was known, or before anything was sent.
            RequestFailedError: no confirmation was received; `outcome_unknown` says whether the request may have been
                carried out.
        """
        progress = progress or Progress()
        if self._closed:
            raise _with_progress(ClosedError("the client is closed, and nothing was sent"), request, progress)
        self._session.require_credentials()
        try:
            return await self._send_before_deadline(request, progress)
        except TimeoutError:
            raise _with_progress(self._deadline_error(progress), request, progress) from progress.last_failure
        except RequestFailedError as error:
            if self._ended_by is ClosedError and (error.status is None or error.outcome_unknown):
                # The attempt lost its connection before its task was canceled.
                raise _with_progress(self._deadline_error(progress), request, progress) from error
            raise _with_progress(error, request, progress) from error.__cause__

    @property
    def is_closed(self) -> bool:
        """Whether `close` was called."""
        return self._closed

    def stop(self) -> None:
        """End every request in flight with a `StoppedError`, and reject later ones."""
        self._end_calls(StoppedError)

    def close(self) -> None:
        """End every request in flight with a `ClosedError`, unless `stop` has ended it, and reject later ones."""
        self._closed = True
        self._end_calls(ClosedError)

    def _end_calls(self, error: type[RequestFailedError]) -> None:
        self._ended_by = self._ended_by or error
        for deadline in self._in_flight:
            if not deadline.expired():
                deadline.reschedule(0)  # a time in the past

    async def _send_before_deadline(self, request: TrackRequest, progress: Progress) -> Receipt:
        if self._ended_by is not None:
            raise TimeoutError
        async with asyncio.timeout(self._retry_policy.time_budget) as deadline:
            self._in_flight.add(deadline)
            try:
                return await self._send(request, progress, deadline)
            finally:
                self._in_flight.discard(deadline)

    async def _send(self, request: TrackRequest, progress: Progress, deadline: asyncio.Timeout) -> Receipt:
        # When the module is imported, it would delay the start. When a request has failed, it may be impossible to open
        # another file.
        import tenacity  # noqa: F401

        try:
            return await self._attempt(request, progress)
        except RequestFailedError as failure:
            if self._ended_by is not None:
                raise TimeoutError from failure
            return await self._retry(request, progress, failure, deadline)

    async def _retry(
        self, request: TrackRequest, progress: Progress, first: RequestFailedError, deadline: asyncio.Timeout
    ) -> Receipt:
        from tenacity import (
            AsyncRetrying,
            retry_if_exception,
            stop_after_attempt,
            stop_before_delay,
            wait_exponential_jitter,
        )

        initial = self._retry_policy.initial_backoff
        backoff = wait_exponential_jitter(multiplier=initial, max=8, jitter=initial)
        ends_at, now = deadline.when(), asyncio.get_running_loop().time()
        seconds_left = 0.0 if ends_at is None else ends_at - now
        attempts = AsyncRetrying(
            retry=retry_if_exception(lambda error: isinstance(error, RequestFailedError) and error.retryable),
            wait=lambda state: max(backoff(state), _retry_after(state) or 0.0),
            stop=stop_after_attempt(self._retry_policy.max_attempts) | stop_before_delay(seconds_left),
            before_sleep=_log_failed_attempt,
            sleep=asyncio.sleep,
            reraise=True,
        )
        async for attempt in attempts:
            with attempt:
                # The first attempt was made without tenacity, which most calls then do not pay for.
                if attempt.retry_state.attempt_number == 1:
                    raise first
                receipt = await self._attempt(request, progress)
        return receipt

    async def _attempt(self, request: TrackRequest, progress: Progress) -> Receipt:
        waiting_since = time.monotonic()
        try:
            await self._rate_limiter.acquire()
        finally:
            self._observer.waited(time.monotonic() - waiting_since)
        if self._ended_by is not None:
            raise TimeoutError  # the wait ended at the same moment, and its task was not canceled
        progress.attempts += 1
        unknown_before, was_sent = progress.outcome_unknown, False

        def on_sending() -> None:
            nonlocal was_sent
            # From here on a timeout leaves the outcome unknown; the wait for a connection does not.
            was_sent = progress.outcome_unknown = True

        with self._observer.attempting(request, progress.attempts) as attempt:
            try:
                receipt = await self._session.attempt(request, progress.attempts, on_sending)
            except RequestFailedError as failure:
                attempt.status = failure.status
                progress.outcome_unknown = unknown_before or (was_sent and failure.outcome_unknown)
                progress.last_failure = failure
                raise
            attempt.status = receipt.status
            return receipt

    def _deadline_error(self, progress: Progress) -> RequestFailedError:
        error = self._ended_by or TimeBudgetExceededError
        reason = _REASONS.get(error) or self._time_budget_exceeded
        if progress.attempts == 0:
            waiting = "" if self._ended_by else " while waiting for the rate limit,"
            return error(f"{reason}{waiting} before anything was sent")
        attempts = "1 attempt" if progress.attempts == 1 else f"{progress.attempts} attempts"
        last = f"; the last failure was: {progress.last_failure}" if progress.last_failure else ""
        return error(f"{reason} after {attempts}{last}")

    @property
    def _time_budget_exceeded(self) -> str:
        return f"the time budget of {self._retry_policy.time_budget:g} seconds was exceeded"


def _with_progress(error: RequestFailedError, request: TrackRequest, progress: Progress) -> RequestFailedError:
    error.attempts = progress.attempts
    error.outcome_unknown = progress.outcome_unknown
    error.event_id = request.event_id
    return error


def _retry_after(state: RetryCallState) -> float | None:
    failure = state.outcome.exception() if state.outcome else None
    return failure.retry_after if isinstance(failure, RequestFailedError) else None


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
