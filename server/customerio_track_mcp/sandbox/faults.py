"""Faults that can be injected into the next requests."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from customerio_track_mcp.sandbox.bounds import MAX_FAULTS

_HEADER: Final = r"^[ -~]*$"
"""Printable ASCII: what a header may contain without being encoded."""


class _Fault(BaseModel):
    model_config = ConfigDict(extra="forbid")

    count: int = Field(default=1, ge=1, le=1000, description="How many requests get the fault.")


class StatusFault(_Fault):
    """The request is not carried out; the response has an error status."""

    kind: Literal["status"]
    status: int = Field(ge=400, le=599)
    retry_after: str | None = Field(
        default=None, max_length=100, pattern=_HEADER, description="The Retry-After header: seconds or an HTTP date."
    )


class DelayFault(_Fault):
    """The request is carried out at once, and the response is delayed. A client that has left does not receive it."""

    kind: Literal["delay"]
    seconds: float = Field(gt=0, le=600)


class ResetFault(_Fault):
    """The connection is reset before the request is carried out."""

    kind: Literal["reset"]


class LostResponseFault(_Fault):
    """The request is carried out, then the connection is reset. For the client, the outcome is unknown."""

    kind: Literal["lost_reply"]


class RedirectFault(_Fault):
    """The request is not carried out; the response is a 307, as from the host of the other region."""

    kind: Literal["redirect"]
    location: str = Field(default="https://track-eu.customer.io", max_length=1000, pattern=_HEADER)


Fault = Annotated[
    StatusFault | DelayFault | ResetFault | LostResponseFault | RedirectFault, Field(discriminator="kind")
]


class TooManyFaultsError(Exception):
    """Faults wait for as many requests as they may."""


class FaultQueue:
    """The faults of the next requests, first in, first out.

    Attributes:
        on_change: called when a fault was added or removed.
    """

    def __init__(self) -> None:
        self.on_change: Callable[[], None] = lambda: None
        self._waiting: deque[Fault] = deque()

    def add(self, fault: Fault) -> None:
        """Add a fault for `fault.count` requests.

        Raises:
            TooManyFaultsError: faults would wait for more than `MAX_FAULTS` requests. None was added.
        """
        if len(self._waiting) + fault.count > MAX_FAULTS:
            raise TooManyFaultsError
        self._waiting.extend([fault] * fault.count)
        self.on_change()

    def pop(self) -> Fault | None:
        """Remove and return the fault of the current request; None if the queue is empty."""
        if not self._waiting:
            return None
        fault = self._waiting.popleft()
        self.on_change()
        return fault

    def clear(self) -> None:
        """Remove every fault."""
        self._waiting.clear()
        self.on_change()

    def __len__(self) -> int:
        return len(self._waiting)
