"""The id that connects a request with its log lines, and with its caller's trace."""

from __future__ import annotations

import logging
import re
import traceback
from collections.abc import Callable
from http import HTTPMethod, HTTPStatus
from typing import Final

from opentelemetry import context as otel
from opentelemetry.propagate import extract
from starlette.datastructures import Headers
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from customerio_track_mcp.instrumentation.calls import new_request_id
from customerio_track_mcp.tools.guidance import internal_error

logger = logging.getLogger("customerio_track_mcp.http")

_HEADER: Final = b"x-request-id"
_VALID_ID: Final = re.compile(rb"[A-Za-z0-9._:-]{1,64}")
_METHODS: Final = frozenset(HTTPMethod)
_OPTIONAL_STREAM: Final = (HTTPMethod.GET, HTTPStatus.METHOD_NOT_ALLOWED)
"""Clients of protocol 2025-11-25 ask for a stream once they are connected, and expect this if there is none."""

_INTERNAL_ERROR: Final = {
    "jsonrpc": "2.0",
    "id": None,
    "error": {"code": -32603, "message": internal_error()},
}


class RequestIdMiddleware:
    """Gives each request an id (the caller's own `X-Request-Id` if it is valid) and returns it in the response.

    A response with an error status is logged in one line, without address or content. An exception becomes a 500. The
    405 to a GET request is not an error: it is what the protocol prescribes.

    Args:
        app: the application that serves the request.
        on_refused: called with the status of each response from 400 upwards, except the 405 to a GET request.
        traced: whether to continue the trace in the request's headers.
    """

    def __init__(self, app: ASGIApp, on_refused: Callable[[int], None], *, traced: bool) -> None:
        self._app = app
        self._on_refused = on_refused
        self._traced = traced

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve an ASGI request."""
        given = next((value for name, value in scope["headers"] if name == _HEADER), b"")
        request_id = given.decode() if _VALID_ID.fullmatch(given) else new_request_id()
        scope.setdefault("state", {})["request_id"] = request_id

        started = False

        async def send_with_id(message: Message) -> None:
            nonlocal started
            if message["type"] == "http.response.start":
                started = True
                message["headers"] = [*message.get("headers", ()), (_HEADER, request_id.encode())]
                if message["status"] >= 400:
                    method = scope["method"] if scope["method"] in _METHODS else "other"
                    fields = {"status": message["status"], "method": method, "request_id": request_id}
                    if (method, message["status"]) == _OPTIONAL_STREAM:
                        logger.debug("no stream for a GET request", extra=fields)
                    else:
                        self._on_refused(message["status"])
                        logger.info("request refused", extra=fields)
            await send(message)

        token = otel.attach(extract(dict(Headers(scope=scope)))) if self._traced else None
        try:
            await self._app(scope, receive, send_with_id)
        except Exception as error:  # noqa: BLE001 - uvicorn would log the error's text, which may contain the request
            frames = "".join(traceback.format_tb(error.__traceback__))
            fields = {"error": type(error).__name__, "request_id": request_id, "frames": frames}
            logger.error("bug in the service", extra=fields)  # noqa: TRY400
            if not started:
                await JSONResponse(_INTERNAL_ERROR, 500)(scope, receive, send_with_id)
        finally:
            if token is not None:
                otel.detach(token)
