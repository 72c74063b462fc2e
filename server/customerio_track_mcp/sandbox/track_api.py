"""The Track API of the sandbox: the operations below `/api/v1`, error bodies, injected faults."""

from __future__ import annotations

import asyncio
import socket
import struct
from base64 import b64encode
from collections.abc import Awaitable, Callable
from hmac import compare_digest
from typing import Final

from aiohttp import web

from customerio_track_mcp.sandbox.bodies import BodyError, BodyReader
from customerio_track_mcp.sandbox.credentials import SANDBOX_API_KEY, SANDBOX_SITE_ID
from customerio_track_mcp.sandbox.error_bodies import error_response, errors_response, internal_error_response
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
from customerio_track_mcp.sandbox.records import Effect
from customerio_track_mcp.sandbox.request_log import RequestLog, RequestTimer
from customerio_track_mcp.sandbox.state import BadRequestError, WorkspaceState

REGIONS: Final = ("us", "eu")

_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)
"""The value of `SO_LINGER` that makes closing a socket send a TCP reset."""
_BODY: Final = web.RequestKey("body", bytes)
"""The body of a request, until an operation takes it."""
_EFFECT: Final = web.RequestKey("effect", Effect)
"""What the operation of a request did."""

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class TrackApi:
    """The Track API of one workspace.

    Args:
        workspace: the state that the operations change.
        requests: the log of the requests received.
        faults: the faults of the next requests.
        bodies: reads the bodies.
        region: the region that the region lookup returns, `us` or `eu`.
    """

    def __init__(
        self, workspace: WorkspaceState, requests: RequestLog, faults: FaultQueue, bodies: BodyReader, region: str
    ) -> None:
        self._workspace = workspace
        self._requests = requests
        self._faults = faults
        self._bodies = bodies
        self._region = region
        self._authorization = b"Basic " + b64encode(f"{SANDBOX_SITE_ID}:{SANDBOX_API_KEY}".encode())

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Add the routes of the operations, each with its operation as its name."""
        # aiohttp's own pattern excludes braces.
        router.add_put("/api/v1/customers/{identifier:[^/]+}", self._identify, name="identify")
        router.add_post("/api/v1/customers/{identifier:[^/]+}/events", self._track, name="track")
        router.add_post("/api/v1/segments/{segment_id}/add_customers", self._add_to_segment, name="add_to_segment")
        router.add_get("/api/v1/accounts/region", self._find_region, name="find_region")

    async def serve(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Respond to a request to the Track API, and log it. Only authorized requests consume a fault."""
        timer = RequestTimer()
        operation = request.match_info.route.name
        pending = response = None
        try:
            request[_BODY] = await self._bodies.read(request)
            fault = self._faults.pop(operation) if self._is_authorized(request) else None
            pending = self._requests.start(request, timer, request[_BODY], operation, fault.kind if fault else None)
            answer = await self._respond_with_fault(fault, request, handler)
            if isinstance(fault, DelayFault):
                self._requests.delay(pending, self._effect_of(request))
                await asyncio.sleep(fault.seconds)  # canceled when the client leaves
            response = answer
        except BodyError as error:
            response = error_response(str(error), error.status)
        finally:
            if pending is None:
                pending = self._requests.start(request, timer, None, operation, None)
            client_has_left = request.transport is None or request.transport.is_closing()
            self._requests.end(pending, None if client_has_left else response, self._effect_of(request))
        return response

    def _is_authorized(self, request: web.Request) -> bool:
        authorization = request.headers.get("Authorization", "").encode(errors="surrogateescape")
        return compare_digest(authorization, self._authorization)

    def _effect_of(self, request: web.Request) -> Effect:
        """Return what an operation did; if none was carried out, only the person in the path, if there is one."""
        if _EFFECT in request:
            return request[_EFFECT]
        return Effect(self._workspace.find_cio_id(request.match_info.get("identifier", "")))

    async def _respond_with_fault(
        self, fault: Fault | None, request: web.Request, handler: Handler
    ) -> web.StreamResponse:
        match fault:
            case StatusFault():
                headers = {"Retry-After": fault.retry_after} if fault.retry_after else None
                return error_response(f"injected fault: {fault.status}", fault.status, headers)
            case RedirectFault():
                return web.Response(status=307, headers={"Location": fault.location + request.raw_path})
            case ResetFault():
                return _reset_connection(request)
            case LostResponseFault():
                await self._respond(request, handler)
                return _reset_connection(request)
        return await self._respond(request, handler)

    async def _respond(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        if not self._is_authorized(request):
            return error_response("Unauthorized request", 401)
        try:
            return await handler(request)
        except BadRequestError as error:
            if error.status == 404:
                return error_response(str(error), 404)
            return errors_response(str(error), status=error.status)
        except web.HTTPException as error:
            return error_response(error.reason, error.status)
        except Exception as error:  # noqa: BLE001 - logged as a request that got a 500
            return internal_error_response(error)

    async def _identify(self, request: web.Request) -> web.Response:
        request[_EFFECT] = self._workspace.identify(request.match_info["identifier"], _json_object(request))
        return web.json_response({})

    async def _track(self, request: web.Request) -> web.Response:
        request[_EFFECT] = self._workspace.track(request.match_info["identifier"], _json_object(request))
        return web.json_response({})

    async def _add_to_segment(self, request: web.Request) -> web.Response:
        ids = _json_object(request).get("ids")
        id_type = request.query.get("id_type", "id")
        request[_EFFECT] = self._workspace.add_to_segment(request.match_info["segment_id"], ids, id_type)
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


def _reset_connection(request: web.Request) -> web.Response:
    """Close the connection with a TCP reset. The response that is returned is not sent."""
    if request.transport is not None:
        raw: socket.socket = request.transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        request.transport.abort()
    return web.Response()
