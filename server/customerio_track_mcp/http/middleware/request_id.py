"""What ties a request to its log lines, its counts and its caller's trace."""

from __future__ import annotations

import logging
import re
import traceback
from collections.abc import Callable
from typing import Final

from opentelemetry import context as otel
from opentelemetry.propagate import extract
from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from ulid import ULID

logger = logging.getLogger("customerio_track_mcp.http")

_BUG: Final = {
    "jsonrpc": "2.0",
    "id": None,
    "error": {
        "code": -32603,
        "message": "The server itself failed, which is a bug in it. Whether the call was carried out is unknown: do "
        "not call again; tell the user. The server's log holds the details.",
    },
}
_HEADER: Final = "X-Request-Id"
_USABLE: Final = re.compile(r"[A-Za-z0-9._:-]{1,64}")


class Correlation:
    """Gives each request an id (the caller's own `X-Request-Id`, where it is usable) and sends it back.

    A request that is answered with an error status makes one log line, without address or content.

    Args:
        app: what serves the request.
        refused: told the status of each answer from 400 upwards.
        traced: whether to go on with the trace that the request's headers name.
    """

    def __init__(self, app: ASGIApp, refused: Callable[[int], None], *, traced: bool) -> None:
        self._app = app
        self._refused = refused
        self._traced = traced

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request, as ASGI has it."""
        headers = Headers(scope=scope)
        given = headers.get(_HEADER, "")
        request_id = given if _USABLE.fullmatch(given) else str(ULID())
        scope.setdefault("state", {})["request_id"] = request_id

        begun = False

        async def answer(message: Message) -> None:
            nonlocal begun
            if message["type"] == "http.response.start":
                begun = True
                MutableHeaders(scope=message)[_HEADER] = request_id
                if message["status"] >= 400:
                    self._refused(message["status"])
                    fields = {"status": message["status"], "method": scope["method"], "request_id": request_id}
                    logger.info("request refused", extra=fields)
            await send(message)

        token = otel.attach(extract(dict(headers))) if self._traced else None
        try:
            await self._app(scope, receive, answer)
        except Exception as error:  # noqa: BLE001 - uvicorn would log the error's text, in which a request may stand
            frames = "".join(traceback.format_tb(error.__traceback__))
            fields = {"error": type(error).__name__, "request_id": request_id, "frames": frames}
            logger.error("bug in the service", extra=fields)  # noqa: TRY400
            if not begun:
                await JSONResponse(_BUG, 500)(scope, receive, answer)
        finally:
            if token is not None:
                otel.detach(token)
