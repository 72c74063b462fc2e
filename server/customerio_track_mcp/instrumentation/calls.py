"""A tool call from the outside: who makes it, and what logs and metrics are told of it afterwards."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from enum import StrEnum

from ulid import ULID

from customerio_track_mcp.track import (
    InvalidArgumentsError,
    MissingCredentialsError,
    Progress,
    RateLimitedError,
    RedirectedError,
    RejectedError,
    StoppedError,
    TimeBudgetExceededError,
    TrackError,
    UnauthorizedError,
    UnavailableError,
)


class Outcome(StrEnum):
    """How a tool call ended, in one word."""

    OK = "ok"
    INVALID_ARGUMENTS = "invalid_arguments"
    FORBIDDEN = "forbidden"
    NO_CREDENTIALS = "no_credentials"
    UNAUTHORIZED = "unauthorized"
    REDIRECTED = "redirected"
    REJECTED = "rejected"
    RATE_LIMITED = "rate_limited"
    UNAVAILABLE = "unavailable"
    OUT_OF_TIME = "out_of_time"
    STOPPED = "stopped"
    CANCELLED = "cancelled"
    BUG = "bug"

    @classmethod
    def of(cls, error: TrackError) -> Outcome:
        """The outcome of a call that `error` ended."""
        return next((outcome for kind, outcome in _OF_ERRORS.items() if isinstance(error, kind)), cls.BUG)


_OF_ERRORS = {
    InvalidArgumentsError: Outcome.INVALID_ARGUMENTS,
    MissingCredentialsError: Outcome.NO_CREDENTIALS,
    UnauthorizedError: Outcome.UNAUTHORIZED,
    RedirectedError: Outcome.REDIRECTED,
    RejectedError: Outcome.REJECTED,
    RateLimitedError: Outcome.RATE_LIMITED,
    UnavailableError: Outcome.UNAVAILABLE,
    TimeBudgetExceededError: Outcome.OUT_OF_TIME,
    StoppedError: Outcome.STOPPED,
}


@dataclass(frozen=True, slots=True)
class Caller:
    """Who makes a call.

    Attributes:
        name: the name that the operator knows the caller by; empty where nobody has to give one.
        request_id: what ties together the log lines of one request.
        tools: the tools that the caller may use; None for all of them.
        remedy: how the caller can come to use the others.
    """

    name: str = ""
    request_id: str = field(default_factory=lambda: str(ULID()))
    tools: Collection[str] | None = None
    remedy: str = ""

    def may_use(self, tool: str) -> bool:
        """Whether the caller may list and call `tool`."""
        return self.tools is None or tool in self.tools


@dataclass(slots=True)
class Notes:
    """What a tool writes down about a call while it is at work, so that even a call that is cut off can be told of.

    Attributes:
        outcome: how the call ended; cancelled until it has.
        progress: how far the request to the Track API has come.
        person: the identifier of the person that the call is about, once it is known to be one; personal data.
        people: how many people it is about.
    """

    outcome: Outcome = Outcome.CANCELLED
    progress: Progress = field(default_factory=Progress)
    person: str | None = None
    people: int = 0


@dataclass(frozen=True, slots=True)
class CallRecord:
    """A tool call that has ended.

    Attributes:
        tool: its name.
        seconds: how long it took.
        notes: what the tool wrote down about it.
    """

    tool: str
    seconds: float
    notes: Notes


OnCall = Callable[[CallRecord], None]

_current: ContextVar[Caller | None] = ContextVar("caller", default=None)


def current_caller() -> Caller | None:
    """Whose call this task is at work on; None outside of a call."""
    return _current.get()


@contextmanager
def calling(caller: Caller) -> Iterator[None]:
    """Work on a call of `caller`."""
    token = _current.set(caller)
    try:
        yield
    finally:
        _current.reset(token)
