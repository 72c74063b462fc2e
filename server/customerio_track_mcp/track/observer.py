"""What a delivery tells of itself while it runs, for counts and traces."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from customerio_track_mcp.track.operations import TrackRequest


@dataclass(slots=True)
class Attempt:
    """One attempt at a request, from before it is sent to its end.

    Attributes:
        number: 1 for the first.
        status: the HTTP status of the answer; None while there is none, and where none came.
    """

    number: int
    status: int | None = None


class Observer:
    """Hears of each wait and each attempt. This one keeps nothing; who wants to know makes a subclass."""

    def waited(self, seconds: float) -> None:
        """A request waited so long for the rate budget."""

    @contextmanager
    def attempting(self, request: TrackRequest, number: int) -> Iterator[Attempt]:
        """Wraps an attempt; what is yielded has its `status` when the context ends."""
        del request
        yield Attempt(number)
