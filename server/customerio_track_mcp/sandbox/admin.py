"""The sandbox's own side: the page to watch, the state as JSON, changes as they come, faults on order, reset."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from importlib.resources import files
from ipaddress import ip_address
from typing import Final

from aiohttp import web
from pydantic import TypeAdapter, ValidationError

from customerio_track_mcp.sandbox.bounded_log import MOST_ITEMS
from customerio_track_mcp.sandbox.broadcast import Feed
from customerio_track_mcp.sandbox.faults import Fault, FaultQueue
from customerio_track_mcp.sandbox.records import record_of
from customerio_track_mcp.sandbox.state import Workspace
from customerio_track_mcp.sandbox.track_api import Handler, Vendor

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


class Console:
    """What a person, or a test, sees of the sandbox and can do to it.

    Args:
        workspace: what is shown.
        vendor: whose requests are shown.
        faults: where faults are ordered.
        feed: where changes come from.
        reset: begins anew.
        is_stored: whether the state is kept in a file.
    """

    def __init__(
        self,
        workspace: Workspace,
        vendor: Vendor,
        faults: FaultQueue,
        feed: Feed,
        reset: Callable[[], None],
        *,
        is_stored: Callable[[], bool],
    ) -> None:
        self._workspace = workspace
        self._vendor = vendor
        self._faults = faults
        self._feed = feed
        self._reset_all = reset
        self._is_stored = is_stored

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Add the page and what it needs."""
        for path in _PAGE_FILES:
            router.add_get(path, self._page)
        router.add_get("/_sandbox/state", self._state)
        router.add_get("/_sandbox/changes", self._changes)
        router.add_post("/_sandbox/faults", self._order_fault)
        router.add_post("/_sandbox/reset", self._reset)

    def state(self) -> dict[str, object]:
        """Everything, as JSON values."""
        return {
            "requests": self._vendor.log.total,
            "faults_waiting": len(self._faults),
            "kept": MOST_ITEMS,
            "stored": self._is_stored(),
            **self._workspace.as_json(),
            "request_log": [record_of(entry) | {"number": number} for number, entry in self._vendor.log.numbered()],
        }

    async def _page(self, request: web.Request) -> web.Response:
        name, content_type = _PAGE_FILES[request.path]
        text = (_PAGE / name).read_text(encoding="utf-8")
        return web.Response(text=text, content_type=content_type, headers=_PAGE_HEADERS)

    async def _state(self, request: web.Request) -> web.Response:
        del request
        return web.json_response(self.state())

    async def _changes(self, request: web.Request) -> web.StreamResponse:
        """The state and then each change, as server-sent events."""
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
        await response.prepare(request)
        with self._feed.watch() as messages, suppress(ConnectionError):  # a tab that was closed is no error
            await response.write(f"event: state\ndata: {json.dumps(self.state())}\n\n".encode())
            async for name, data in messages:
                await response.write(f"event: {name}\ndata: {data}\n\n".encode())
        return response

    async def _order_fault(self, request: web.Request) -> web.Response:
        try:
            fault = _FAULT.validate_json(await request.read())
        except ValidationError as error:
            problems = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
            return web.json_response({"meta": {"errors": problems}}, status=400)
        self._faults.order(fault)
        return web.json_response({"faults_waiting": len(self._faults)})

    async def _reset(self, request: web.Request) -> web.Response:
        del request
        self._reset_all()
        self._feed.tell("state", self.state())
        return web.json_response({})


class Guard:
    """Keeps web pages elsewhere from driving the sandbox through the browser of whoever runs it.

    A page can make a browser send requests here, by this machine's address or by a name of its own that it lets
    point here. The first kind names the page in `Origin` or `Sec-Fetch-Site`; the second has a name in `Host` that
    is not ours. An address in `Host` can't be made to point elsewhere. A link to the page may be followed from
    anywhere.

    Args:
        host: the name or address that the sandbox was told to listen on.
    """

    def __init__(self, host: str) -> None:
        self._names = {"localhost", host.lower()}

    async def refuse(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Hand on what may pass; answer the rest with 403."""
        if self._is_from_elsewhere(request) or not self._is_ours(request.host):
            return web.json_response({"meta": {"error": "not from another site"}}, status=403)
        return await handler(request)

    @staticmethod
    def _is_from_elsewhere(request: web.Request) -> bool:
        if request.headers.get("Origin", request.host).rpartition("://")[2] != request.host:
            return True
        if request.headers.get("Sec-Fetch-Site", "none") in ("none", "same-origin"):
            return False
        followed = (request.headers.get("Sec-Fetch-Mode"), request.headers.get("Sec-Fetch-Dest"))
        return not (request.method == "GET" and request.path == "/" and followed == ("navigate", "document"))

    def _is_ours(self, host: str) -> bool:
        name = host.rpartition(":")[0] if host.rpartition(":")[2].isdecimal() else host
        if name.lower() in self._names:
            return True
        try:
            ip_address(name.removeprefix("[").removesuffix("]"))
        except ValueError:
            return False
        return True
