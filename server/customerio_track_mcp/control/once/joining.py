"""Identical events of one caller in flight: one of them is sent, and all get its result."""

from __future__ import annotations

from dataclasses import dataclass

import anyio

from customerio_track_mcp.control.call import Call, Delivery, Settle
from customerio_track_mcp.control.chain import Send
from customerio_track_mcp.control.once.event_id import use_event_id
from customerio_track_mcp.control.once.fingerprint import Fingerprints
from customerio_track_mcp.control.write import Write
from customerio_track_mcp.track import Receipt


@dataclass(frozen=True, slots=True)
class _Outcome:
    """How the call that was sent ended, and that call."""

    leader: Call
    receipt: Receipt | None
    error: Exception | None


class _Flight:
    """Identical calls. It is also how their one result is delivered: it is, if one of them has received it.

    Attributes:
        deliveries: of the calls that have not been canceled.
        waiting: an event for each call that waits: for the outcome, or for its turn to be sent.
        event_id: the id with which a canceled call has begun; empty if none has.
        was_sent: whether that call may have sent it.
        outcome: None until there is one.
    """

    __slots__ = ("deliveries", "event_id", "outcome", "waiting", "was_sent")

    def __init__(self) -> None:
        self.deliveries: list[Delivery] = []
        self.waiting: list[anyio.Event] = []
        self.event_id = ""
        self.was_sent = False
        self.outcome: _Outcome | None = None

    def when_settled(self, settle: Settle) -> None:
        """Call `settle` with True once a call has received the result, or with False once none can."""
        if len(self.deliveries) == 1:
            self.deliveries[0].when_settled(settle)
            return
        outstanding, is_settled = len(self.deliveries), False

        def settle_one(delivered: bool) -> None:
            nonlocal outstanding, is_settled
            outstanding -= 1
            if not is_settled and (delivered or not outstanding):
                is_settled = True
                settle(delivered)

        for delivery in list(self.deliveries):
            delivery.when_settled(settle_one)


class Joining:
    """Joins identical events of one caller that are in flight at the same time.

    A host that dispatches each call twice, or repeats one while the first is still running, gets one event and the same
    result twice. Every failure of the call that was sent is also that of the others. If it is canceled, the next one is
    sent, with the same event id.
    """

    def __init__(self, fingerprints: Fingerprints) -> None:
        self._fingerprints = fingerprints
        self._flights: dict[bytes, _Flight] = {}

    async def __call__(self, write: Write, call: Call, proceed: Send) -> Receipt | None:
        """Send an event, or return the result of an identical one in flight."""
        if write.request.event_id is None:
            return await proceed(write, call)
        fingerprint = self._fingerprints.of(write, call)
        flight = self._flights.get(fingerprint)
        if flight is None:
            flight = self._flights[fingerprint] = _Flight()
        elif await self._wait(fingerprint, flight, call):
            return _share(flight, call)
        return await self._lead(fingerprint, flight, write, call, proceed)

    async def _wait(self, fingerprint: bytes, flight: _Flight, call: Call) -> bool:
        """Return True when there is an outcome, or False when it is the turn of this call to be sent."""
        turn = anyio.Event()
        flight.waiting.append(turn)
        flight.deliveries.append(call.delivery)
        try:
            await turn.wait()
        except BaseException:  # canceled
            flight.deliveries.remove(call.delivery)
            if turn in flight.waiting:
                flight.waiting.remove(turn)
            elif flight.outcome is None:
                self._hand_over(fingerprint, flight)
            raise
        if flight.outcome is None:
            flight.deliveries.remove(call.delivery)
            return False
        return True

    async def _lead(
        self, fingerprint: bytes, flight: _Flight, write: Write, call: Call, proceed: Send
    ) -> Receipt | None:
        if flight.event_id:
            write = use_event_id(write, call, flight.event_id)
            call.record.is_reused = flight.was_sent
        flight.deliveries.append(own := call.delivery)
        call.delivery = flight
        try:
            receipt = await proceed(write, call)
        except Exception as error:
            self._end(fingerprint, flight, call, error=error)
            raise
        except BaseException:  # canceled
            flight.event_id = call.record.event_id
            flight.was_sent = flight.was_sent or call.record.progress.attempts > 0
            flight.deliveries.remove(own)
            self._hand_over(fingerprint, flight)
            raise
        self._end(fingerprint, flight, call, receipt)
        return receipt

    def _end(
        self,
        fingerprint: bytes,
        flight: _Flight,
        leader: Call,
        receipt: Receipt | None = None,
        error: Exception | None = None,
    ) -> None:
        """Give the outcome to the calls that wait; the next identical call is one of its own."""
        del self._flights[fingerprint]
        if flight.waiting:
            flight.outcome = _Outcome(leader, receipt, error)
            for turn in flight.waiting:
                turn.set()

    def _hand_over(self, fingerprint: bytes, flight: _Flight) -> None:
        """Let the call that has waited the longest be sent instead of a canceled one."""
        if flight.waiting:
            flight.waiting.pop(0).set()
        else:
            del self._flights[fingerprint]


def _share(flight: _Flight, call: Call) -> Receipt | None:
    """Return the result of the call that was sent, or raise its exception, as that of `call`."""
    if flight.outcome is None:
        raise RuntimeError("the outcome is missing")
    leader, record, error = flight.outcome.leader, call.record, flight.outcome.error
    record.is_joined = True
    record.event_id = leader.record.event_id
    record.progress = leader.record.progress
    record.is_reused = leader.record.is_reused
    record.is_dry_run = leader.record.is_dry_run
    record.confirmed_by = leader.record.confirmed_by
    call.same_event_seconds = leader.same_event_seconds
    if error is not None:
        raise error
    return flight.outcome.receipt
