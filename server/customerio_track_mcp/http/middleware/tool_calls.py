"""Valid tool calls of protocol 2026-07-28: served as the SDK does, without the parts that they do not need."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import anyio
import mcp_types as types
from mcp.server import Server
from mcp.server.connection import Connection
from mcp.server.runner import ServerRunner, modern_error_data
from mcp.server.transport_security import TransportSecurityMiddleware, TransportSecuritySettings
from mcp.shared.dispatcher import CallOptions
from mcp.shared.exceptions import NoBackChannelError
from mcp.shared.inbound import ERROR_CODE_HTTP_STATUS, InboundModernRoute, classify_inbound_request
from mcp.shared.message import ServerMessageMetadata
from mcp.shared.transport_context import TransportContext
from pydantic_core import to_json
from starlette.requests import Request
from starlette.types import ASGIApp, Receive, Scope, Send

from customerio_track_mcp.http.received_body import received_body

_METHOD: Final = "tools/call"
_ACCEPTED: Final = frozenset({"application/json", "*/*"})


class ToolCallMiddleware:
    """Responds to tool calls of protocol 2026-07-28 that are valid. Everything else is the SDK's.

    It makes the SDK's checks with the SDK's functions, and leaves whatever does not pass one to the SDK, which rejects
    it, or knows better. The SDK's own entry parses the body again, reads each header from a list, searches the tool's
    schema for header parameters, and validates and copies the response. It can go when that costs less.

    Args:
        app: the SDK's application.
        server: runs the calls.
        security: what `Host` and `Origin` are checked against.
    """

    def __init__(self, app: ASGIApp, server: Server[Any], security: TransportSecuritySettings) -> None:
        self._app = app
        self._server = server
        self._security = TransportSecurityMiddleware(security)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve an ASGI request whose message has been parsed."""
        call = received_body(receive).take_request()
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        # Of a repeated header, the SDK decides which value counts.
        if call is None or call.method != _METHOD or len(headers) != len(scope["headers"]):
            await self._app(scope, receive, send)
            return
        route = classify_inbound_request({"method": call.method, "params": call.params}, headers=headers)
        request = Request(scope)
        if (
            not isinstance(route, InboundModernRoute)
            or not _accepts_json(headers)
            or await self._security.validate_request(request, is_post=True) is not None
        ):
            await self._app(scope, receive, send)
            return
        context = _CallContext(
            call.id,
            TransportContext(kind="streamable-http", can_send_request=False, headers=headers),
            ServerMessageMetadata(request_context=request),
        )
        connection = Connection.from_envelope(route.protocol_version, route.client_info, route.client_capabilities)
        response: dict[str, Any] = {"jsonrpc": "2.0", "id": call.id}
        status = 200
        try:
            async with connection.exit_stack:  # the SDK's `serve_one` closes it with a timeout, but it is empty here
                runner = ServerRunner(self._server, connection, lifespan_state={})
                response["result"] = await runner.on_request(context, call.method, call.params)
        except Exception as raised:  # noqa: BLE001 - as the SDK does
            error = modern_error_data(raised)
            response["error"] = error.model_dump(mode="json", by_alias=True, exclude_none=True)
            status = ERROR_CODE_HTTP_STATUS.get(error.code, 200)
        body = to_json(response)
        response_headers = [(b"content-length", b"%d" % len(body)), (b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": status, "headers": response_headers})
        await send({"type": "http.response.body", "body": body})


@dataclass(slots=True)
class _CallContext:
    """The SDK's `DispatchContext` of a call. With JSON responses, nothing can be sent before the result."""

    request_id: types.RequestId
    transport: TransportContext
    message_metadata: ServerMessageMetadata
    cancel_requested: anyio.Event = field(default_factory=anyio.Event)
    can_send_request: bool = False

    async def send_raw_request(
        self, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None = None
    ) -> dict[str, Any]:
        del params, opts
        raise NoBackChannelError(method)

    async def notify(self, method: str, params: Mapping[str, Any] | None, opts: CallOptions | None = None) -> None:
        """Drop a notification."""

    async def progress(self, progress: float, total: float | None = None, message: str | None = None) -> None:
        """Drop a notification."""


def _accepts_json(headers: Mapping[str, str]) -> bool:
    return not _ACCEPTED.isdisjoint(part.strip() for part in headers.get("accept", "").split(","))
