"""Events whose result did not reach the caller, or whose outcome is unknown: an identical call is the same event."""

from __future__ import annotations

from customerio_track_mcp.control.call import Call
from customerio_track_mcp.control.chain import Send
from customerio_track_mcp.control.once.event_id import use_event_id
from customerio_track_mcp.control.once.fingerprint import Fingerprints
from customerio_track_mcp.control.once.memory import Claim, Memory
from customerio_track_mcp.control.write import Write
from customerio_track_mcp.track import Receipt, RequestFailedError, StoppedError, TrackError


class ResendMemory:
    """Gives an event the id of an earlier identical call, if that call's event may have been recorded unnoticed.

    The id is remembered before the event is sent, since a process that is killed remembers nothing afterwards. It is
    forgotten once the result has been delivered and the outcome is certain: then an identical call is another event.

    Args:
        memory: where ids are remembered.
        fingerprints: compute which calls are identical.
        window: the seconds for which `memory` remembers an id.
        is_sole_process: whether every call of the workspace's callers reaches this process.
    """

    def __init__(self, memory: Memory, fingerprints: Fingerprints, window: float, *, is_sole_process: bool) -> None:
        self._memory = memory
        self._fingerprints = fingerprints
        self._window = window
        self._is_sole_process = is_sole_process

    async def __call__(self, write: Write, call: Call, proceed: Send) -> Receipt | None:
        """Send an event with the id that is remembered for it, or remember its own id."""
        # An id that is derived from a key is the same again without being remembered.
        if write.request.event_id is None or call.idempotency_key:
            return await proceed(write, call)
        fingerprint = self._fingerprints.of(write, call)
        claim = await self._memory.claim(fingerprint, write.request.event_id)
        if claim.event_id != write.request.event_id:
            write = use_event_id(write, call, claim.event_id)
        call.record.is_reused = call.record.is_reused or claim.is_reused
        if claim.is_shared or self._is_sole_process:
            call.same_event_seconds = self._window
        try:
            receipt = await proceed(write, call)
        except TrackError as error:
            self._failed(fingerprint, claim, call, error)
            raise
        except BaseException:  # canceled, a bug, or a question to a person
            if claim.is_reused or call.record.progress.attempts:
                self._memory.keep(fingerprint, claim.event_id)
            else:
                self._memory.forget(fingerprint, claim.event_id, was_sent=False)
            raise
        self._forget_once_delivered(fingerprint, claim, call)
        return receipt

    def _failed(self, fingerprint: bytes, claim: Claim, call: Call, error: TrackError) -> None:
        if isinstance(error, StoppedError) and not claim.is_shared:
            call.same_event_seconds = 0  # this process ends, and its memory with it
        if claim.is_reused or (isinstance(error, RequestFailedError) and error.outcome_unknown):
            # If it is reused, the earlier call may have been carried out, although this one was not.
            self._memory.keep(fingerprint, claim.event_id)
        elif isinstance(error, RequestFailedError):
            self._forget_once_delivered(fingerprint, claim, call)
        else:  # refused
            self._memory.forget(fingerprint, claim.event_id, was_sent=False)

    def _forget_once_delivered(self, fingerprint: bytes, claim: Claim, call: Call) -> None:
        def settle(delivered: bool) -> None:
            if delivered:
                self._memory.forget(fingerprint, claim.event_id)
            else:
                self._memory.keep(fingerprint, claim.event_id)

        call.delivery.when_settled(settle)
