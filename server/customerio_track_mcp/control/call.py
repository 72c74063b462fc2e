"""One tool call as the controls see it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Protocol

from customerio_track_mcp.control.asking import NO_ASKER, Asker
from customerio_track_mcp.instrumentation.calls import CallContext, Caller

Settle = Callable[[bool], None]
"""Receives whether a result was delivered."""


class Delivery(Protocol):
    """How the result of one call reaches its caller."""

    def when_settled(self, settle: Settle) -> None:
        """Call `settle` once, when it is known whether the result was delivered."""


class ImmediateDelivery:
    """A delivery that does not fail: of a call from within this process."""

    def when_settled(self, settle: Settle) -> None:
        """Call `settle` with True."""
        settle(True)


IMMEDIATE_DELIVERY: Final = ImmediateDelivery()


@dataclass(slots=True)
class Call:
    """One tool call.

    Attributes:
        caller: who makes it.
        record: what logs and metrics report about it.
        idempotency_key: the caller's own name for what is intended; empty without one.
        delivery: how its result reaches the caller.
        asker: asks the person at the host.
        fingerprint: identical calls of `send_event` have the same one; empty until `Fingerprints` has computed it.
        same_event_seconds: the seconds for which an identical call of `send_event` is the same event; infinity with an
            idempotency key, 0 if it is another event.
    """

    caller: Caller = field(default_factory=Caller)
    record: CallContext = field(default_factory=CallContext)
    idempotency_key: str = ""
    delivery: Delivery = IMMEDIATE_DELIVERY
    asker: Asker = NO_ASKER
    fingerprint: bytes = b""
    same_event_seconds: float = 0.0
