"""Notifications of waits and attempts, for metrics and traces."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from customerio_track_mcp.track.operations import TrackRequest


@dataclass(slots=True)
class Attempt:
    """One attempt at a request, from before it is sent to its end.

    Attributes:
        number: 1 for the first attempt.
        status: the HTTP status of the response; None until there is one.
    """

    number: int
    status: int | None = None


class Observer:
    """Is notified of each wait and each attempt, and ignores them; subclass it to record them."""

    def waited(self, seconds: float) -> None:
        """Receive how long a request waited for the rate limit, in seconds."""

    def attempting(self, request: TrackRequest, number: int) -> AbstractContextManager[Attempt]:
        """Wrap an attempt. The `Attempt` has its `status` when the block ends."""
        del request
        return nullcontext(Attempt(number))
