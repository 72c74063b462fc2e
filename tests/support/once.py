"""Handlers of events with the controls that make one intent one event, and deliveries that a test settles."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from customerio_track_mcp.control.call import Call, Settle
from customerio_track_mcp.control.chain import Control
from customerio_track_mcp.control.once.fingerprint import Fingerprints
from customerio_track_mcp.control.once.idempotency_keys import IdempotencyKeys
from customerio_track_mcp.control.once.joining import Joining
from customerio_track_mcp.control.once.memory import Memory, ProcessMemory
from customerio_track_mcp.control.once.resend_memory import ResendMemory
from customerio_track_mcp.control.write import Write
from customerio_track_mcp.tools.handlers import ToolHandlers
from customerio_track_mcp.track import Credentials, EventType, RetryPolicy, TrackClient, operations, trim
from tests.support.clients import FAST_RETRIES

WINDOW: Final = 900.0
EVENT: Final[dict[str, Any]] = {"customer_id": "1", "event_name": "bought", "data": {"order": "A-17", "items": [1, 2]}}


class PendingDelivery:
    """A delivery whose end the test decides.

    Attributes:
        settle: what is to be called; None until the outcome is certain.
    """

    def __init__(self) -> None:
        self.settle: Settle | None = None

    def when_settled(self, settle: Settle) -> None:
        """Keep `settle`."""
        assert self.settle is None, "settled twice"
        self.settle = settle

    def end(self, *, delivered: bool) -> None:
        """Report how the delivery ended."""
        assert self.settle is not None
        self.settle(delivered)


@asynccontextmanager
async def once_handlers(
    url: str,
    *,
    memory: Memory | None = None,
    remembers: bool = True,
    is_sole_process: bool = True,
    key: bytes = b"key",
    retry_policy: RetryPolicy = FAST_RETRIES,
) -> AsyncIterator[ToolHandlers]:
    """Open the handlers of one process.

    Args:
        url: the Track API's base URL.
        memory: where event ids are remembered; a memory of its own by default.
        remembers: whether there is a memory at all.
        is_sole_process: whether all calls reach it.
        key: the key of the fingerprints.
        retry_policy: of the client.
    """
    fingerprints = Fingerprints(key)
    resend = ResendMemory(memory or ProcessMemory(WINDOW, 30), fingerprints, WINDOW, is_sole_process=is_sole_process)
    controls: list[Control] = [IdempotencyKeys(fingerprints), Joining(fingerprints), *([resend] if remembers else [])]
    async with TrackClient(Credentials("sandbox", "sandbox"), url, retry_policy=retry_policy) as client:
        yield ToolHandlers(client, controls=controls)


def event_write(**changes: Any) -> Write:
    """Return a valid call of `send_event`, with these changes of its arguments."""
    arguments = EVENT | {"event_type": None} | changes
    person, name, kind, data = (arguments[key] for key in ("customer_id", "event_name", "event_type", "data"))
    request = operations.track(person, name, event_type=kind, data=data)
    kind = kind or EventType.EVENT
    return Write("send_event", request, person, event_name=trim(name), event_type=kind, event_data=data)


def keyed(key: str) -> Call:
    """Return a call with an idempotency key."""
    return Call(idempotency_key=key)
