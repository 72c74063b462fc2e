"""The sandbox's own endpoints: the page, the state as JSON, live changes, fault injection, reset."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from importlib.resources import files
from typing import Final

from aiohttp import web
from pydantic import TypeAdapter, ValidationError

from customerio_track_mcp.sandbox.bounded_log import MAX_ITEMS
from customerio_track_mcp.sandbox.broadcast import Broadcaster
from customerio_track_mcp.sandbox.faults import Fault, FaultQueue
from customerio_track_mcp.sandbox.records import record_of
from customerio_track_mcp.sandbox.state import WorkspaceState
from customerio_track_mcp.sandbox.track_api import TrackApi

_FAULT: Final[TypeAdapter[Fault]] = TypeAdapter(Fault)
_PAGE: Final = files("customerio_track_mcp.sandbox") / "page"
_PAGE_FILES: Final = {
    "/": ("index.html", "text/html"),
    "/page.css": ("page.css", "text/css"),
    "/page.js": ("page.js", "text/javascript"),
}
_PAGE_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; "
    "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Admin:
    """The endpoints by which a person or a test watches and controls the sandbox.

    Args:
        workspace: the state to show.
        track_api: the source of the request log.
        faults: receives the faults to inject.
        broadcaster: publishes changes.
        reset: deletes everything.
        is_stored: returns whether the state is kept in a file.
    """

    def __init__(
        self,
        workspace: WorkspaceState,
        track_api: TrackApi,
        faults: FaultQueue,
        broadcaster: Broadcaster,
        reset: Callable[[], None],
        *,
        is_stored: Callable[[], bool],
    ) -> None:
        self._workspace = workspace
        self._track_api = track_api
        self._faults = faults
        self._broadcaster = broadcaster
        self._reset_sandbox = reset
        self._is_stored = is_stored

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Add the routes of the page and of `/_sandbox`."""
        for path in _PAGE_FILES:
            router.add_get(path, self._page)
        router.add_get("/_sandbox/state", self._state)
        router.add_get("/_sandbox/changes", self._changes)
        router.add_post("/_sandbox/faults", self._add_fault)
        router.add_post("/_sandbox/reset", self._reset)

    def state(self) -> dict[str, object]:
        """Return the complete state as JSON values."""
        request_log = self._track_api.log
        return {
            "requests": request_log.total,
            "faults_waiting": len(self._faults),
            "kept": MAX_ITEMS,
            "stored": self._is_stored(),
            **self._workspace.as_json(),
            "request_log": [record_of(entry) | {"number": number} for number, entry in request_log.numbered()],
        }

    async def _page(self, request: web.Request) -> web.Response:
        name, content_type = _PAGE_FILES[request.path]
        text = (_PAGE / name).read_text(encoding="utf-8")
        return web.Response(text=text, content_type=content_type, headers=_PAGE_HEADERS)

    async def _state(self, request: web.Request) -> web.Response:
        del request
        return web.json_response(self.state())

    async def _changes(self, request: web.Request) -> web.StreamResponse:
        """Send the state and then each change, as server-sent events."""
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
        await response.prepare(request)
        # A browser tab that was closed is not an error.
        with self._broadcaster.subscribe() as messages, suppress(ConnectionError):
            await response.write(f"event: state\ndata: {json.dumps(self.state())}\n\n".encode())
            async for name, data in messages:
                await response.write(f"event: {name}\ndata: {data}\n\n".encode())
        return response

    async def _add_fault(self, request: web.Request) -> web.Response:
        try:
            fault = _FAULT.validate_json(await request.read())
        except ValidationError as error:
            problems = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
            return web.json_response({"meta": {"errors": problems}}, status=400)
        self._faults.add(fault)
        return web.json_response({"faults_waiting": len(self._faults)})

    async def _reset(self, request: web.Request) -> web.Response:
        del request
        self._reset_sandbox()
        self._broadcaster.publish("state", self.state())
        return web.json_response({})
