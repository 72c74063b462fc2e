"""The sandbox over TCP: the vendor's operations under `/api/v1`, its own under `/_sandbox`."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
import time
from base64 import b64encode
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import asdict, dataclass
from hmac import compare_digest
from ssl import SSLContext
from typing import Final

from aiohttp import web
from pydantic import TypeAdapter, ValidationError

from customerio_track_mcp.sandbox.faults import (
    DelayFault,
    Fault,
    FaultQueue,
    LostReplyFault,
    RedirectFault,
    ResetFault,
    StatusFault,
)
from customerio_track_mcp.sandbox.workspace import KEPT, BadRequestError, Workspace

SANDBOX_SITE_ID: Final = "sandbox"
SANDBOX_API_KEY: Final = "sandbox"

_FAULT: Final[TypeAdapter[Fault]] = TypeAdapter(Fault)
_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)
_LARGEST_BODY: Final = 4 * 2**20

_Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


@dataclass(frozen=True, slots=True)
class RunningSandbox:
    """A sandbox that answers.

    Attributes:
        url: its base URL, to be used as the Track API's.
        workspace: what it holds.
    """

    url: str
    workspace: Workspace


@dataclass(frozen=True, slots=True)
class _LoggedRequest:
    at: float
    method: str
    path: str
    status: int | None
    fault: str | None


class _Service:
    def __init__(self, workspace: Workspace, region: str) -> None:
        self.workspace = workspace
        self._region = region
        self._faults = FaultQueue()
        self._requests = 0
        self._log: deque[_LoggedRequest] = deque(maxlen=KEPT)
        self._authorization = b"Basic " + b64encode(f"{SANDBOX_SITE_ID}:{SANDBOX_API_KEY}".encode())

    def application(self) -> web.Application:
        app = web.Application(middlewares=[self._as_vendor], client_max_size=_LARGEST_BODY)
        app.router.add_put("/api/v1/customers/{identifier}", self._identify)
        app.router.add_post("/api/v1/customers/{identifier}/events", self._track)
        app.router.add_post("/api/v1/segments/{segment_id}/add_customers", self._add_to_segment)
        app.router.add_get("/api/v1/accounts/region", self._find_region)
        app.router.add_get("/_sandbox/state", self._state)
        app.router.add_post("/_sandbox/faults", self._order_fault)
        return app

    @web.middleware
    async def _as_vendor(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        if not request.rel_url.raw_path.startswith("/api/"):
            return await handler(request)
        self._requests += 1
        fault = self._faults.next()
        status: int | None = None
        try:
            response = await self._meet(fault, request, handler)
            status = response.status
            return response
        finally:
            lost = isinstance(fault, ResetFault | LostReplyFault)
            self._log.append(
                _LoggedRequest(
                    at=time.time(),
                    method=request.method,
                    path=request.raw_path,
                    status=None if lost else status,
                    fault=fault.kind if fault else None,
                )
            )

    async def _meet(self, fault: Fault | None, request: web.Request, handler: _Handler) -> web.StreamResponse:
        match fault:
            case StatusFault():
                headers = {"Retry-After": fault.retry_after} if fault.retry_after else None
                return web.json_response(_error(f"sandbox fault {fault.status}"), status=fault.status, headers=headers)
            case RedirectFault():
                return web.Response(status=307, headers={"Location": fault.location + request.raw_path})
            case ResetFault():
                await request.read()
                return _reset(request)
            case LostReplyFault():
                await self._answer(request, handler)
                return _reset(request)
            case DelayFault():
                await asyncio.sleep(fault.seconds)
        return await self._answer(request, handler)

    async def _answer(self, request: web.Request, handler: _Handler) -> web.StreamResponse:
        given = request.headers.get("Authorization", "").encode()
        if not compare_digest(given, self._authorization):
            return web.json_response(_error("Unauthorized request"), status=401)
        try:
            return await handler(request)
        except BadRequestError as error:
            body = _error(str(error)) if error.status == 404 else {"meta": {"errors": [str(error)]}}
            return web.json_response(body, status=error.status)
        except web.HTTPException as error:
            return web.json_response(_error(error.reason), status=error.status)

    async def _identify(self, request: web.Request) -> web.Response:
        self.workspace.identify(request.match_info["identifier"], await _json_object(request))
        return web.json_response({})

    async def _track(self, request: web.Request) -> web.Response:
        self.workspace.track(request.match_info["identifier"], await _json_object(request))
        return web.json_response({})

    async def _add_to_segment(self, request: web.Request) -> web.Response:
        ids = (await _json_object(request)).get("ids")
        id_type = request.query.get("id_type", "id")
        self.workspace.add_to_segment(request.match_info["segment_id"], ids, id_type)
        return web.json_response({})

    async def _find_region(self, request: web.Request) -> web.Response:
        del request
        host = "track.customer.io" if self._region == "us" else "track-eu.customer.io"
        return web.json_response({"url": f"https://{host}", "region": self._region, "environment_id": 1})

    async def _state(self, request: web.Request) -> web.Response:
        del request
        seen = {"requests": self._requests, "faults_waiting": len(self._faults)}
        log = {"request_log": [asdict(entry) for entry in self._log]}
        return web.json_response(seen | self.workspace.as_json() | log)

    async def _order_fault(self, request: web.Request) -> web.Response:
        try:
            fault = _FAULT.validate_json(await request.read())
        except ValidationError as error:
            problems = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
            return web.json_response({"meta": {"errors": problems}}, status=400)
        self._faults.order(fault)
        return web.json_response({"faults_waiting": len(self._faults)})


@asynccontextmanager
async def run_sandbox(
    *, host: str = "127.0.0.1", port: int = 0, region: str = "us", ssl_context: SSLContext | None = None
) -> AsyncIterator[RunningSandbox]:
    """Run a sandbox until the block ends.

    Args:
        host: the address to listen on.
        port: 0 for one that is free.
        region: what the region lookup answers: `us` or `eu`.
        ssl_context: serves HTTPS where given.

    Raises:
        OSError: the address can't be listened on.
    """
    service = _Service(Workspace(), region)
    runner = web.AppRunner(service.application(), access_log=None, handle_signals=False, shutdown_timeout=0.5)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port, ssl_context=ssl_context).start()
        bound_host, bound_port = runner.addresses[0][:2]
        shown = f"[{bound_host}]" if ":" in bound_host else bound_host
        yield RunningSandbox(f"{'https' if ssl_context else 'http'}://{shown}:{bound_port}", service.workspace)
    finally:
        await runner.cleanup()


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


def _reset(request: web.Request) -> web.Response:
    """Break the connection with a TCP reset. What is returned reaches nobody."""
    if request.transport is not None:
        raw: socket.socket = request.transport.get_extra_info("socket")
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        request.transport.abort()
    return web.Response()
