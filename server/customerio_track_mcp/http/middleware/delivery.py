"""Whether the result of a tool call reached its caller over HTTP."""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any, Final

from mcp.server import ServerRequestContext
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from customerio_track_mcp.control.call import IMMEDIATE_DELIVERY, Delivery
from customerio_track_mcp.control.pending_delivery import PendingDelivery
from customerio_track_mcp.http.transport_in_scope import is_written, transport_of
from customerio_track_mcp.sockets import is_readable

_KEY: Final = "delivery"
_RESULT: Final = re.compile(rb'\{"jsonrpc":"2\.0","id":(?:-?[0-9]++|"(?:[^"\\]|\\.)*+"),"result":')
"""The start of a response with a result, as the SDK writes it."""


class DeliveryMiddleware:
    """Settles the delivery of a request's result.

    It was delivered if the part of the response that contains it was written to a connection that was open before and
    after. A JSON-RPC error is not a result: its receiver does not know what became of the call. Bytes in the system's
    buffers, and those that a proxy has taken, count as delivered: whether they arrived cannot be known.

    Args:
        app: responds with one JSON-RPC message as JSON. Requests with a session would need more, since a message may be
            sent again there.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve an ASGI request."""
        delivery = PendingDelivery()
        scope.setdefault("state", {})[_KEY] = delivery

        async def send_settling(message: Message) -> None:
            body = message.get("body")  # none in the start of a response
            if not delivery.is_awaited or not body or not _contains_result(body):
                await send(message)
                return
            if _may_be_closed(scope):
                await _notice_closed_connections()
            # uvicorn may close the connection itself after the last part.
            await send({**message, "more_body": True})
            delivery.settle(is_written(scope))
            if not message.get("more_body", False):
                await send({"type": "http.response.body", "body": b"", "more_body": False})

        try:
            await self._app(scope, receive, send_settling)
        finally:
            delivery.settle(False)  # nothing happens if it is settled


def delivery_of(context: ServerRequestContext[Any]) -> Delivery:
    """Return how the result of an MCP request that was received over HTTP reaches its caller."""
    scope: Scope = context.request.scope if isinstance(context.request, Request) else {}
    delivery: Delivery = scope.get("state", {}).get(_KEY, IMMEDIATE_DELIVERY)
    return delivery


def _contains_result(part: bytes) -> bool:
    """Return whether a part of a response is a JSON-RPC response with a result."""
    if _RESULT.match(part):
        return True
    try:
        message = json.loads(part)
    except ValueError:
        return False
    return isinstance(message, dict) and "result" in message


def _may_be_closed(scope: Scope) -> bool:
    """Return whether the client may have closed the connection although the event loop does not know it yet.

    Only if there is something to receive: the next request, or that nothing follows.
    """
    transport = transport_of(scope)
    if transport is None or transport.is_closing():
        return False  # nothing can be known of the connection, or it is known to be closed
    connection = transport.get_extra_info("socket")
    return connection is None or is_readable(connection.fileno())


async def _notice_closed_connections() -> None:
    """Let the event loop handle what has arrived, so that a connection that its client has closed is seen as such.

    The first step of the loop asks the system; what it returns is handled after the tasks that were already waiting.
    """
    for _ in range(2):
        await asyncio.sleep(0)
