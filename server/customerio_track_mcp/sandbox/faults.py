"""Faults that can be injected into the next requests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from customerio_track_mcp.sandbox.bounds import MAX_FAULTS, MAX_QUEUED_FAULTS

Operation = Literal["identify", "track", "add_to_segment", "find_region"]

EU_HOST: Final = "https://track-eu.customer.io"
_HEADER: Final = r"^[ -~]*$"
"""Printable ASCII: what a header may contain without being encoded."""
_WRITING: Final[frozenset[Operation]] = frozenset({"identify", "track", "add_to_segment"})


class _Fault(BaseModel):
    model_config = ConfigDict(extra="forbid")

    count: int = Field(default=1, ge=1, le=1000, description="How many requests get the fault.")
    operation: Operation | None = Field(
        default=None, description="Whose requests get it. Without one: those of every operation that writes."
    )


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
    location: str = Field(default=EU_HOST, max_length=1000, pattern=_HEADER)


Fault = Annotated[
    StatusFault | DelayFault | ResetFault | LostResponseFault | RedirectFault, Field(discriminator="kind")
]
FAULT_KINDS: Final = ("status", "delay", "reset", "lost_reply", "redirect")


class TooManyFaultsError(ValueError):
    """The queue is full. The text says what to do."""


class FaultQueue:
    """The faults of the next requests. A request gets the oldest one that its operation may get.

    Attributes:
        on_change: called when a fault was added, used or removed.
    """

    def __init__(self) -> None:
        self.on_change: Callable[[], None] = lambda: None
        self._waiting: dict[int, Fault] = {}
        self._last_id = 0

    def add(self, fault: Fault) -> int:
        """Add a fault for `fault.count` requests, and return its id.

        Raises:
            TooManyFaultsError: `MAX_QUEUED_FAULTS` faults wait already, or they would wait for more than `MAX_FAULTS`
                requests. It was not added.
        """
        if len(self) + fault.count > MAX_FAULTS:
            raise TooManyFaultsError(
                f"faults may wait for at most {MAX_FAULTS} requests; remove some, reset, or send some requests"
            )
        if len(self._waiting) >= MAX_QUEUED_FAULTS:
            raise TooManyFaultsError(
                f"at most {MAX_QUEUED_FAULTS} faults may wait; one of them can be for several requests"
            )
        self._last_id += 1
        self._waiting[self._last_id] = fault
        self.on_change()
        return self._last_id

    def pop(self, operation: str | None) -> Fault | None:
        """Use and return the fault of the current request; None if there is none for its operation."""
        for fault_id, fault in self._waiting.items():
            if operation in ({fault.operation} if fault.operation else _WRITING):
                self._use(fault_id, fault)
                return fault
        return None

    def remove(self, fault_id: int) -> bool:
        """Remove a fault from the queue; return False if there is not one with this id."""
        if self._waiting.pop(fault_id, None) is None:
            return False
        self.on_change()
        return True

    def clear(self) -> None:
        """Remove every fault. Ids are not used again."""
        self._waiting.clear()
        self.on_change()

    def as_json(self) -> dict[str, object]:
        """Return for how many requests faults wait, and the faults, oldest first."""
        faults = [{"id": fault_id} | fault.model_dump() for fault_id, fault in self._waiting.items()]
        return {"faults_waiting": len(self), "faults": faults}

    def _use(self, fault_id: int, fault: Fault) -> None:
        if fault.count > 1:
            self._waiting[fault_id] = fault.model_copy(update={"count": fault.count - 1})
        else:
            del self._waiting[fault_id]
        self.on_change()

    def __len__(self) -> int:
        """Return the number of requests for which a fault waits."""
        return sum(fault.count for fault in self._waiting.values())
