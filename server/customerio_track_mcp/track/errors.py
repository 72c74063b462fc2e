"""Everything that can fail between a caller and the Track API, one class per failure.

To add a failure, add a class here: `code` is its word in logs and metrics, `retryable` whether another attempt can
help, `advice` what a caller does next.

    TrackError
    ├── InvalidArgumentsError          invalid_arguments   nothing was sent
    ├── MissingCredentialsError        no_credentials      nothing was sent
    └── RequestFailedError             request_failed
        ├── UnauthorizedError          unauthorized        401
        ├── RedirectedError            redirected          3xx
        ├── RejectedError              rejected            another 4xx, or not the Track API
        ├── RateLimitedError           rate_limited        429, retried
        ├── UnavailableError           unavailable         408, 5xx, connection error, timeout; retried
        ├── StoppedError               stopped             the client was stopped first
        └── TimeBudgetExceededError    out_of_time         the time budget ended first
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from customerio_track_mcp.track.regions import Region

_MAX_PROBLEMS_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Problem:
    """One invalid argument.

    Attributes:
        parameter: the argument's name, with a path if it is nested (`attributes.plan`, `customer_ids[3]`).
        text: what is wrong and what is accepted, for a person or a model to read.
    """

    parameter: str
    text: str

    def __str__(self) -> str:
        return f"{self.parameter}: {self.text}"


class TrackError(Exception):
    """Base class of all errors of this package. The text says what happened.

    Attributes:
        code: the word for it in logs and metrics. Dashboards depend on it.
        advice: what to do next, as sentences; empty if that depends on the outcome (see `RequestFailedError`).
    """

    code: ClassVar[str]
    advice: str = ""


class InvalidArgumentsError(TrackError):
    """The Track API would reject the arguments, or accept and drop them. Nothing was sent.

    Attributes:
        problems: every problem found, not only the first.
    """

    code = "invalid_arguments"

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(problems)
        self.advice = f"Correct {'it' if len(self.problems) == 1 else 'all of them'} and call again."
        lines = [str(problem) for problem in self.problems[:_MAX_PROBLEMS_SHOWN]]
        if len(self.problems) > _MAX_PROBLEMS_SHOWN:
            lines.append(f"and {len(self.problems) - _MAX_PROBLEMS_SHOWN} more")
        super().__init__("; ".join(lines))


class MissingCredentialsError(TrackError):
    """The client was created without a Site ID or without an API key. Nothing was sent."""

    code = "no_credentials"
    advice = "Configure the Site ID and the Tracking API key."


class RequestFailedError(TrackError):
    """A request ended without a confirmation from the Track API.

    Attributes:
        retryable: whether another attempt could succeed.
        status: the HTTP status of the last response; None if there was none.
        retry_after: the seconds that the response asked to wait; None if it did not.
        outcome_unknown: whether an attempt may have been carried out although no confirmation was received.
        attempts: how many times the request was tried, failed connections included.
        event_id: the ULID that every attempt carried; None for requests other than events.
    """

    code = "request_failed"
    retryable: ClassVar[bool] = False

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

    code = "unauthorized"
    advice = "Check the Site ID and the Tracking API key; an App API key is a different credential and is rejected."


class RedirectedError(RequestFailedError):
    """3xx: the request reached the wrong host. Redirects are not followed.

    Attributes:
        region: the region that the redirect points to; None if it points elsewhere.
    """

    code = "redirected"
    advice = "Use the base URL of the workspace's region."

    def __init__(self, message: str, *, status: int, region: Region | None) -> None:
        super().__init__(message, status=status)
        self.region = region


class RejectedError(RequestFailedError):
    """A response that another attempt would not change: a 4xx, or something that is not the Track API."""

    code = "rejected"
    advice = "The same call would be rejected again: correct the arguments, or ask the user."


class RateLimitedError(RequestFailedError):
    """429: the workspace sends more requests than the Track API accepts."""

    code = "rate_limited"
    retryable = True


class UnavailableError(RequestFailedError):
    """408, 5xx, a connection error or a timeout."""

    code = "unavailable"
    retryable = True


class StoppedError(RequestFailedError):
    """The client was stopped before the Track API confirmed the request."""

    code = "stopped"


class TimeBudgetExceededError(RequestFailedError):
    """The time budget was exceeded before the Track API confirmed the request."""

    code = "out_of_time"
