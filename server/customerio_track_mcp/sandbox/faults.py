"""Faults on order: how the next requests go wrong."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class _Fault(BaseModel):
    model_config = ConfigDict(extra="forbid")

    count: int = Field(default=1, ge=1, le=1000, description="How many requests it befalls.")


class StatusFault(_Fault):
    """The request is not carried out and answered with an error status."""

    kind: Literal["status"]
    status: int = Field(ge=400, le=599)
    retry_after: str | None = Field(default=None, description="The Retry-After header: seconds or an HTTP date.")


class DelayFault(_Fault):
    """The request is carried out at once and answered late: to a client that has given up by then, not at all."""

    kind: Literal["delay"]
    seconds: float = Field(gt=0, le=600)


class ResetFault(_Fault):
    """The connection is reset before the request is carried out."""

    kind: Literal["reset"]


class LostReplyFault(_Fault):
    """The request is carried out, then the connection is reset: the client can't know."""

    kind: Literal["lost_reply"]


class RedirectFault(_Fault):
    """The request is not carried out and answered with 307, as the vendor does for the other region."""

    kind: Literal["redirect"]
    location: str = "https://track-eu.customer.io"


Fault = Annotated[StatusFault | DelayFault | ResetFault | LostReplyFault | RedirectFault, Field(discriminator="kind")]


class FaultQueue:
    """The faults still to come, first ordered first served.

    Attributes:
        on_change: called when there are more or fewer of them.
    """

    def __init__(self) -> None:
        self.on_change: Callable[[], None] = lambda: None
        self._waiting: deque[Fault] = deque()

    def order(self, fault: Fault) -> None:
        """Let the next `fault.count` requests meet this fault."""
        self._waiting.extend([fault] * fault.count)
        self.on_change()

    def next(self) -> Fault | None:
        """The fault for the request that has just come, or None."""
        if not self._waiting:
            return None
        fault = self._waiting.popleft()
        self.on_change()
        return fault

    def clear(self) -> None:
        """Call off every fault."""
        self._waiting.clear()
        self.on_change()

    def __len__(self) -> int:
        return len(self._waiting)
