"""What happens to a request whose client sends too slowly, or leaves."""

from __future__ import annotations

import asyncio
import math
from typing import Final

import anyio
import anyio.lowlevel
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_DISCONNECT: Final = "http.disconnect"


class _ClientLeftError(Exception):
    """The client left before the body was complete."""


class ClientWatchMiddleware:
    """Responds 408 if a request's body is not received in time, and cancels the request when its client leaves.

    The SDK cancels only if a response may become an event stream. It then prepares each one as a stream, which takes
    longer than everything else that it does.

    Args:
        app: reads the complete body before it does anything else.
        body_seconds: for the complete body.
    """

    def __init__(self, app: ASGIApp, body_seconds: float) -> None:
        self._app = app
        self._body_seconds = body_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve an ASGI request."""
        with anyio.CancelScope() as serving:
            client = _Client(receive, serving, anyio.current_time() + self._body_seconds)
            try:
                await self._app(scope, client.receive, send)
            except _ClientLeftError:
                return
            finally:
                client.end()
        if client.is_late:
            text = f"The request body was not received within {self._body_seconds:g} seconds."
            await Response(text, 408, headers={"Connection": "close"}, media_type="text/plain")(scope, receive, send)


class _Client:
    """What the client of one request sends.

    Args:
        receive: receives it.
        serving: is canceled when the client leaves, or is late.
        deadline: when the body must be complete.
    """

    def __init__(self, receive: Receive, serving: anyio.CancelScope, deadline: float) -> None:
        self._receive = receive
        self._serving = serving
        self._deadline = deadline
        self._leaving: asyncio.Task[None] | None = None
        self._is_receiving = False

    @property
    def is_late(self) -> bool:
        """Whether the body was not complete at the deadline."""
        return self._is_receiving

    async def receive(self) -> Message:
        """Receive a part of the body, or wait until the client leaves."""
        if self._leaving is not None:
            await asyncio.shield(self._leaving)
            return {"type": _DISCONNECT}
        self._is_receiving = True
        self._serving.deadline = self._deadline
        message = await self._receive()
        self._serving.deadline = math.inf
        if self._serving.cancel_called:  # what is received too late must not be served and then canceled
            await anyio.lowlevel.checkpoint()
        self._is_receiving = False
        if message["type"] == _DISCONNECT:
            raise _ClientLeftError
        if not message.get("more_body", False):
            self._leaving = asyncio.create_task(self._wait_until_left())
            self._leaving.add_done_callback(self._on_left)
        return message

    def end(self) -> None:
        """Stop watching."""
        if self._leaving is not None:
            self._leaving.remove_done_callback(self._on_left)
            self._leaving.cancel()

    async def _wait_until_left(self) -> None:
        while (await self._receive())["type"] != _DISCONNECT:
            pass

    def _on_left(self, _: asyncio.Task[None]) -> None:
        self._serving.cancel()
