"""The Track API of the sandbox: the operations below `/api/v1`, error bodies, injected faults, the request log."""

from __future__ import annotations

import asyncio
import socket
import struct
import sys
import time
from base64 import b64encode
from collections.abc import Awaitable, Callable
from hmac import compare_digest
from typing import Final

from aiohttp import web

from customerio_track_mcp.sandbox.bodies import BodyError, BodyReader
from customerio_track_mcp.sandbox.bounded_log import BoundedLog
from customerio_track_mcp.sandbox.bounds import MAX_FAILED_REQUESTS, MAX_LOGGED_BODY_CHARACTERS
from customerio_track_mcp.sandbox.faults import (
    DelayFault,
    Fault,
    FaultQueue,
    LostResponseFault,
    RedirectFault,
    ResetFault,
    StatusFault,
)
from customerio_track_mcp.sandbox.json_values import parse_object
from customerio_track_mcp.sandbox.records import Change, LoggedRequest, instance_of, record_of
from customerio_track_mcp.sandbox.state import BadRequestError, WorkspaceState

SANDBOX_SITE_ID: Final = "sandbox"
SANDBOX_API_KEY: Final = "sandbox"

_RECORD_BYTES: Final = 200
"""Memory of a logged request in addition to its path and its body."""
_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)
"""The value of `SO_LINGER` that makes closing a socket send a TCP reset."""
_BODY: Final = web.RequestKey("body", bytes)
"""The body of a request, until an operation takes it."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class TrackApi:
    """The Track API of one workspace.

    Args:
        workspace: the state that the operations change.
        faults: the faults of the next requests.
        bodies: reads the bodies.
        region: the region that the region lookup returns, `us` or `eu`.

    Attributes:
        log: the requests received.
    """

    def __init__(self, workspace: WorkspaceState, faults: FaultQueue, bodies: BodyReader, region: str) -> None:
        self.log: BoundedLog[LoggedRequest] = BoundedLog()
        self._failed_attempts: dict[tuple[str, str, int], int] = {}
        self._workspace = workspace
        self._faults = faults
        self._bodies = bodies
        self._region = region
        self._authorization = b"Basic " + b64encode(f"{SANDBOX_SITE_ID}:{SANDBOX_API_KEY}".encode())

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Add the routes of the operations."""
        # aiohttp's own pattern excludes braces.
        router.add_put("/api/v1/customers/{identifier:[^/]+}", self._identify)
        router.add_post("/api/v1/customers/{identifier:[^/]+}/events", self._track)
        router.add_post("/api/v1/segments/{segment_id}/add_customers", self._add_to_segment)
        router.add_get("/api/v1/accounts/region", self._find_region)

    async def serve(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Respond to a request to the Track API, and log it. Only authorized requests consume a fault."""
        at = time.time()
        try:
            content = await self._bodies.read(request)
        except BodyError as error:
            return web.json_response(_error(str(error)), status=error.status)
        body = content.decode(errors="replace")
        logged_body = body if len(body) <= MAX_LOGGED_BODY_CHARACTERS else None
        request[_BODY] = content
        fault = self._faults.pop() if self._is_authorized(request) else None
        key = (request.method, request.raw_path, hash(body))
        del content, body  # a delayed response must not keep them
        attempt = self._failed_attempts.pop(key, 0) + 1
        if fault is not None:
            # Count it as failed already: the client's retry may arrive while this request is still delayed.
            self._record_failure(key, attempt)
        status: int | None = None
        try:
            response = await self._respond_with_fault(fault, request, handler)
            client_has_left = request.transport is None or request.transport.is_closing()
            status = None if client_has_left else response.status
            return response
        finally:
            if status is None or status in (408, 429) or status >= 500:
                self._record_failure(key, attempt)
            else:
                self._failed_attempts.pop(key, None)
            kind = fault.kind if fault else None
            self._log_request(LoggedRequest(at, request.method, request.raw_path, logged_body, attempt, status, kind))

    def clear(self) -> None:
        """Clear the request log."""
        self.log.clear()
        self._failed_attempts.clear()

    def restore(self, change: Change) -> None:
        """Restore a logged request from storage.

        Raises:
            ValueError: the record is invalid. The message does not quote it.
        """
        record = instance_of(LoggedRequest, change.record)
        self.log.add(record, _size(record), int(change.key))

    def _log_request(self, record: LoggedRequest) -> None:
        number = self.log.add(record, _size(record))
        self._workspace.on_change(Change("request", str(number), record_of(record)))

    def _record_failure(self, key: tuple[str, str, int], attempt: int) -> None:
        self._failed_attempts[key] = attempt
        if len(self._failed_attempts) > MAX_FAILED_REQUESTS:
            del self._failed_attempts[next(iter(self._failed_attempts))]

    def _is_authorized(self, request: web.Request) -> bool:
        authorization = request.headers.get("Authorization", "").encode(errors="surrogateescape")
        return compare_digest(authorization, self._authorization)

    async def _respond_with_fault(
        self, fault: Fault | None, request: web.Request, handler: Handler
    ) -> web.StreamResponse:
        match fault:
            case StatusFault():
                headers = {"Retry-After": fault.retry_after} if fault.retry_after else None
                return web.json_response(_error(f"sandbox fault {fault.status}"), status=fault.status, headers=headers)
            case RedirectFault():
                return web.Response(status=307, headers={"Location": fault.location + request.raw_path})
            case ResetFault():
                return _reset_connection(request)
            case LostResponseFault():
                await self._respond(request, handler)
                return _reset_connection(request)
            case DelayFault():
                response = await self._respond(request, handler)
                await asyncio.sleep(fault.seconds)
                return response
        return await self._respond(request, handler)

    async def _respond(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if not self._is_authorized(request):
            return web.json_response(_error("Unauthorized request"), status=401)
        try:
            return await handler(request)
        except BadRequestError as error:
            body = _error(str(error)) if error.status == 404 else {"meta": {"errors": [str(error)]}}
            return web.json_response(body, status=error.status)
        except web.HTTPException as error:
            return web.json_response(_error(error.reason), status=error.status)

    async def _identify(self, request: web.Request) -> web.Response:
        self._workspace.identify(request.match_info["identifier"], _json_object(request))
        return web.json_response({})

    async def _track(self, request: web.Request) -> web.Response:
        self._workspace.track(request.match_info["identifier"], _json_object(request))
        return web.json_response({})

    async def _add_to_segment(self, request: web.Request) -> web.Response:
        ids = _json_object(request).get("ids")
        id_type = request.query.get("id_type", "id")
        self._workspace.add_to_segment(request.match_info["segment_id"], ids, id_type)
        return web.json_response({})

    async def _find_region(self, request: web.Request) -> web.Response:
        del request
        hostname = "track.customer.io" if self._region == "us" else "track-eu.customer.io"
        return web.json_response({"url": f"https://{hostname}", "region": self._region, "environment_id": 1})


def _json_object(request: web.Request) -> dict[str, object]:
    content = request[_BODY]
    del request[_BODY]
    try:
        return parse_object(content)
    except ValueError as error:
        raise BadRequestError(f"the body is {error}") from None


def _error(message: str) -> dict[str, object]:
    return {"meta": {"error": message}}


def _size(record: LoggedRequest) -> int:
    return sys.getsizeof(record.path) + sys.getsizeof(record.body) + _RECORD_BYTES


def _reset_connection(request: web.Request) -> web.Response:
    """Close the connection with a TCP reset. The response that is returned is not sent."""
    if request.transport is not None:
        raw: socket.socket = request.transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        request.transport.abort()
    return web.Response()
