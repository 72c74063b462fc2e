"""A timeout for receiving a request's body."""

from __future__ import annotations

from typing import Any

import anyio
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send


class _BodyTimeoutError(Exception):
    """The body was not received in time."""


class _ClientLeftError(Exception):
    """The client left before the body was complete."""


class BodyTimeoutMiddleware:
    """Responds 408 if a request's body is not received in time.

    Args:
        app: reads the complete body before it does anything else.
        seconds: for the complete body.
    """

    def __init__(self, app: ASGIApp, seconds: float) -> None:
        self._app = app
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve an ASGI request."""
        deadline = anyio.current_time() + self._seconds
        complete = False

        async def receive_before_deadline() -> Message:
            nonlocal complete
            if complete:
                return await receive()
            with anyio.move_on_after(deadline - anyio.current_time()):
                message: dict[str, Any] = dict(await receive())
                if message["type"] != "http.request":
                    raise _ClientLeftError
                complete = not message.get("more_body", False)
                return message
            raise _BodyTimeoutError

        try:
            await self._app(scope, receive_before_deadline, send)
        except _ClientLeftError:
            return
        except _BodyTimeoutError:
            text = f"The request body was not received within {self._seconds:g} seconds."
            await Response(text, 408, headers={"Connection": "close"}, media_type="text/plain")(scope, receive, send)
