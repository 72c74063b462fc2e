"""What can go wrong between a caller and the Track API.

Every error is a `TrackError`. An error's text says what happened; what to do about it depends on who called,
so that advice belongs to the caller.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from customerio_track_mcp.track.regions import Region

_MOST_PROBLEMS_TOLD = 20


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong with one argument.

    Attributes:
        parameter: the argument's name, with a path where it is nested (`attributes.plan`, `customer_ids[3]`).
        text: what is wrong and what is allowed, for a person or a model to read.
    """

    parameter: str
    text: str

    def __str__(self) -> str:
        return f"{self.parameter}: {self.text}"


class TrackError(Exception):
    """Base of every error of this package."""


class InvalidArgumentsError(TrackError):
    """The arguments would be refused, or taken and dropped. Nothing was sent.

    Attributes:
        problems: every problem found, not only the first.
    """

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        told = [str(problem) for problem in self.problems[:_MOST_PROBLEMS_TOLD]]
        if len(self.problems) > _MOST_PROBLEMS_TOLD:
            told.append(f"and {len(self.problems) - _MOST_PROBLEMS_TOLD} more")
        super().__init__("; ".join(told))


class MissingCredentialsError(TrackError):
    """The client was built without a Site ID or without an API key. Nothing was sent."""


class RequestFailedError(TrackError):
    """A request ended without a confirmation from the Track API.

    Attributes:
        status: the HTTP status of the last answer; None where none came.
        retryable: whether another attempt could succeed.
        retry_after: seconds the server asked to wait; None where it did not say.
        outcome_unknown: True where an attempt may have been carried out although no confirmation came back.
        attempts: how many times the request was tried, connections that failed included.
        event_id: the ULID that every attempt carried; None for other requests than events.
    """

    retryable = False

    def __init__(
        self,
        message: str,
        *,
        status: int | None = None,
        retry_after: float | None = None,
        outcome_unknown: bool = False,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.retry_after = retry_after
        self.outcome_unknown = outcome_unknown
        self.attempts = 0
        self.event_id: str | None = None


class UnauthorizedError(RequestFailedError):
    """401: the Track API did not accept the credentials."""


class RedirectedError(RequestFailedError):
    """3xx: the request went to the wrong host and was not followed there.

    Attributes:
        region: the region that the redirect points to; None where it points elsewhere.
    """

    def __init__(self, message: str, *, status: int, region: Region | None) -> None:
        super().__init__(message, status=status)
        self.region = region


class RejectedError(RequestFailedError):
    """An answer that another attempt would not change: 4xx, or something that is not the Track API."""


class RateLimitedError(RequestFailedError):
    """429: the workspace sends more than the Track API takes."""

    retryable = True


class UnavailableError(RequestFailedError):
    """408, 5xx, a connection error or a time-out."""

    retryable = True


class StoppedError(RequestFailedError):
    """The client was stopped before the Track API confirmed the request."""


class TimeBudgetExceededError(RequestFailedError):
    """The time budget ran out before the Track API confirmed the request."""
