"""Faults on order: how the next requests go wrong."""

from __future__ import annotations

from collections import deque
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
    """The request is carried out and answered, but late."""

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
    """The faults still to come, first ordered first served."""

    def __init__(self) -> None:
        self._waiting: deque[Fault] = deque()

    def order(self, fault: Fault) -> None:
        """Let the next `fault.count` requests meet this fault."""
        self._waiting.extend([fault] * fault.count)

    def next(self) -> Fault | None:
        """The fault for the request that has just come, or None."""
        return self._waiting.popleft() if self._waiting else None

    def clear(self) -> None:
        """Call off every fault."""
        self._waiting.clear()

    def __len__(self) -> int:
        return len(self._waiting)
