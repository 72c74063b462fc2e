"""The vendor's side of the sandbox: the operations under `/api/v1`, its error bodies, and the faults on order."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import time
from base64 import b64encode
from collections.abc import Awaitable, Callable
from hmac import compare_digest
from typing import Final

from aiohttp import web

from customerio_track_mcp.sandbox.bounded_log import History
from customerio_track_mcp.sandbox.faults import (
    DelayFault,
    Fault,
    FaultQueue,
    LostReplyFault,
    RedirectFault,
    ResetFault,
    StatusFault,
)
from customerio_track_mcp.sandbox.records import Change, LoggedRequest, record_of
from customerio_track_mcp.sandbox.state import BadRequestError, Workspace

SANDBOX_SITE_ID: Final = "sandbox"
SANDBOX_API_KEY: Final = "sandbox"

_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)
_LONGEST_BODY_KEPT: Final = 2**18
_FAILED_KEPT: Final = 1000

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Vendor:
    """The Track API in front of a workspace.

    Args:
        workspace: what the operations change.
        faults: what befalls the next requests.
        region: what the region lookup answers: `us` or `eu`.

    Attributes:
        log: the requests that came.
    """

    def __init__(self, workspace: Workspace, faults: FaultQueue, region: str) -> None:
        self.log: History[LoggedRequest] = History()
        self._failed: dict[tuple[str, str, int], int] = {}
        self._workspace = workspace
        self._faults = faults
        self._region = region
        self._authorization = b"Basic " + b64encode(f"{SANDBOX_SITE_ID}:{SANDBOX_API_KEY}".encode())

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Add the operations."""
        router.add_put("/api/v1/customers/{identifier}", self._identify)
        router.add_post("/api/v1/customers/{identifier}/events", self._track)
        router.add_post("/api/v1/segments/{segment_id}/add_customers", self._add_to_segment)
        router.add_get("/api/v1/accounts/region", self._find_region)

    async def serve(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer a request to the Track API, and log it. Faults befall only requests that may ask."""
        at = time.time()
        try:
            body = (await request.read()).decode(errors="replace")
        except web.HTTPRequestEntityTooLarge:
            return web.json_response(_error("the body is too large"), status=413)
        fault = self._faults.next() if self._may_ask(request) else None
        key = (request.method, request.raw_path, hash(body))
        attempt = self._failed.pop(key, 0) + 1
        if fault is not None:  # known as failed before it has: the next attempt may come while this one is held up
            self._note_failure(key, attempt)
        status: int | None = None
        try:
            response = await self._meet(fault, request, handler)
            left = request.transport is None or request.transport.is_closing()
            status = None if left else response.status
            return response
        finally:
            if status is None or status in (408, 429) or status >= 500:
                self._note_failure(key, attempt)
            else:
                self._failed.pop(key, None)
            kept = body if len(body) <= _LONGEST_BODY_KEPT else None
            kind = fault.kind if fault else None
            self._remember(LoggedRequest(at, request.method, request.raw_path, kept, attempt, status, kind))

    def clear(self) -> None:
        """Forget every request."""
        self.log.clear()
        self._failed.clear()

    def restore(self, change: Change) -> None:
        """Take back a logged request from storage."""
        record = LoggedRequest(**change.record)  # type: ignore[arg-type]  # as it was saved
        self.log.add(record, _size(record), int(change.key))

    def _remember(self, record: LoggedRequest) -> None:
        number = self.log.add(record, _size(record))
        self._workspace.on_change(Change("request", str(number), record_of(record)))

    def _note_failure(self, key: tuple[str, str, int], attempt: int) -> None:
        self._failed[key] = attempt
        if len(self._failed) > _FAILED_KEPT:
            del self._failed[next(iter(self._failed))]

    def _may_ask(self, request: web.Request) -> bool:
        given = request.headers.get("Authorization", "").encode(errors="surrogateescape")
        return compare_digest(given, self._authorization)

    async def _meet(self, fault: Fault | None, request: web.Request, handler: Handler) -> web.StreamResponse:
        match fault:
            case StatusFault():
                headers = {"Retry-After": fault.retry_after} if fault.retry_after else None
                return web.json_response(_error(f"sandbox fault {fault.status}"), status=fault.status, headers=headers)
            case RedirectFault():
                return web.Response(status=307, headers={"Location": fault.location + request.raw_path})
            case ResetFault():
                return _reset(request)
            case LostReplyFault():
                await self._answer(request, handler)
                return _reset(request)
            case DelayFault():
                late = await self._answer(request, handler)
                await asyncio.sleep(fault.seconds)
                return late
        return await self._answer(request, handler)

    async def _answer(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if not self._may_ask(request):
            return web.json_response(_error("Unauthorized request"), status=401)
        try:
            return await handler(request)
        except BadRequestError as error:
            body = _error(str(error)) if error.status == 404 else {"meta": {"errors": [str(error)]}}
            return web.json_response(body, status=error.status)
        except web.HTTPException as error:
            return web.json_response(_error(error.reason), status=error.status)

    async def _identify(self, request: web.Request) -> web.Response:
        self._workspace.identify(request.match_info["identifier"], await _json_object(request))
        return web.json_response({})

    async def _track(self, request: web.Request) -> web.Response:
        self._workspace.track(request.match_info["identifier"], await _json_object(request))
        return web.json_response({})

    async def _add_to_segment(self, request: web.Request) -> web.Response:
        ids = (await _json_object(request)).get("ids")
        id_type = request.query.get("id_type", "id")
        self._workspace.add_to_segment(request.match_info["segment_id"], ids, id_type)
        return web.json_response({})

    async def _find_region(self, request: web.Request) -> web.Response:
        del request
        host = "track.customer.io" if self._region == "us" else "track-eu.customer.io"
        return web.json_response({"url": f"https://{host}", "region": self._region, "environment_id": 1})


async def _json_object(request: web.Request) -> dict[str, object]:
    try:
        body = json.loads(await request.read(), parse_constant=_refuse_constant)
        json.dumps(body, ensure_ascii=False, allow_nan=False).encode()
    except (ValueError, RecursionError):
        raise BadRequestError("the body is not JSON") from None
    if not isinstance(body, dict):
        raise BadRequestError("the body is not a JSON object")
    return body


def _refuse_constant(name: str) -> object:
    raise ValueError(f"{name} is not JSON")


def _error(message: str) -> dict[str, object]:
    return {"meta": {"error": message}}


def _size(record: LoggedRequest) -> int:
    return len(record.path) + len(record.body or "")


def _reset(request: web.Request) -> web.Response:
    """Break the connection with a TCP reset. What is returned reaches nobody."""
    if request.transport is not None:
        raw: socket.socket = request.transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        request.transport.abort()
    return web.Response()
