"""What keeps the connection of a call that takes long: an event stream with pings."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import Final

from mcp.server.streamable_http import check_accept_headers
from starlette.requests import Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

PING_SECONDS: Final = 15.0
"""Until the first ping, and between them. Proxies close a connection without data after 30 or 60 seconds."""

_HEADERS: Final = (
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-cache, no-transform"),
    (b"x-accel-buffering", b"no"),  # nginx would keep the pings back
)
_PING: Final = b": ping\r\n\r\n"


class EventStreamMiddleware:
    """Responds with an event stream to a request that takes long, if its client accepts one.

    The SDK can do so too, but then prepares each response as a stream, which costs more than the rest of its work.

    Args:
        app: responds with one JSON-RPC message as JSON.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve an ASGI request."""
        response = _Response(send)
        timer = asyncio.get_running_loop().call_later(PING_SECONDS, response.start_stream, scope)
        try:
            await self._app(scope, receive, response.send)
        finally:
            timer.cancel()
            if response.pings is not None:
                response.pings.cancel()
                with suppress(asyncio.CancelledError):
                    await response.pings


class _Response:
    """The response to one request.

    Attributes:
        pings: the task that sends them; None unless the response is an event stream.
    """

    __slots__ = ("_is_started", "_send", "_sending", "pings")

    def __init__(self, send: Send) -> None:
        self.pings: asyncio.Task[None] | None = None
        self._send = send
        self._is_started = False

    async def send(self, message: Message) -> None:
        """Send a part of the application's response."""
        if self.pings is None:
            self._is_started = True
            await self._send(message)
        elif message["type"] == "http.response.body":
            body = message.get("body", b"")
            await self._send_part({**message, "body": b"event: message\r\ndata: %b\r\n\r\n" % body if body else b""})

    def start_stream(self, scope: Scope) -> None:
        """Start an event stream, unless the application has responded or the client would not read one."""
        # Above httptools, uvicorn sends chunks, which HTTP/1.0 does not know: https://github.com/Kludex/uvicorn/pull/1360
        if not self._is_started and scope["http_version"] != "1.0" and check_accept_headers(Request(scope))[1]:
            self._sending = asyncio.Lock()
            self.pings = asyncio.create_task(self._ping())

    async def _ping(self) -> None:
        while True:
            await self._send_part({"type": "http.response.body", "body": _PING, "more_body": True})
            await asyncio.sleep(PING_SECONDS)

    async def _send_part(self, part: Message) -> None:
        async with self._sending:
            if not self._is_started:
                self._is_started = True
                await self._send({"type": "http.response.start", "status": 200, "headers": list(_HEADERS)})
            if self.pings is not None and not part.get("more_body", False):
                self.pings.cancel()  # nothing may follow
            await self._send(part)
