"""Whether the result of a tool call reached the host over stdio."""

from __future__ import annotations

from contextvars import ContextVar
from typing import Any, Final

import mcp_types as types
from mcp.server import ServerRequestContext
from mcp.shared.message import ServerMessageMetadata

from customerio_track_mcp.control.call import Settle
from customerio_track_mcp.control.pending_delivery import PendingDelivery

_current: Final[ContextVar[PendingDelivery | None]] = ContextVar("delivery", default=None)
"""Of the request that the running task handles.

The SDK's dispatcher handles a request and sends its response in one task. So two requests with one id are not confused.
"""


def delivery_of(context: ServerRequestContext[Any]) -> PendingDelivery:
    """Return how the result of the request that this task handles reaches the host."""
    del context
    delivery = PendingDelivery()
    _current.set(delivery)
    return delivery


def settle_of(response: types.JSONRPCMessage) -> Settle | None:
    """Return what to call with whether a message that this task sends was written; None if nobody waits for it.

    A JSON-RPC error is not a result: the delivery of the result is settled.
    """
    delivery = _current.get()
    if delivery is None or not delivery.is_awaited:
        return None
    if isinstance(response, types.JSONRPCResponse):
        return delivery.settle
    if isinstance(response, types.JSONRPCError):
        delivery.settle(False)
    return None


async def _on_unanswered() -> None:
    """Settle the delivery of a request that gets no response, since the host canceled it."""
    if delivery := _current.get():
        delivery.settle(False)


METADATA: Final = ServerMessageMetadata(on_request_unanswered=_on_unanswered)
"""Of each message from the host."""
