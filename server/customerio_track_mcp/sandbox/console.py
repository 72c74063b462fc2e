"""The sandbox's own side: the page to watch, the state as JSON, changes as they come, faults on order, reset."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from importlib.resources import files
from ipaddress import ip_address
from typing import Final

from aiohttp import web
from pydantic import TypeAdapter, ValidationError

from customerio_track_mcp.sandbox.faults import Fault, FaultQueue
from customerio_track_mcp.sandbox.feed import Feed
from customerio_track_mcp.sandbox.history import MOST_ITEMS
from customerio_track_mcp.sandbox.vendor import Handler, Vendor
from customerio_track_mcp.sandbox.workspace import Workspace

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
        stored: whether the state is kept in a file.
    """

    def __init__(
        self,
        workspace: Workspace,
        vendor: Vendor,
        faults: FaultQueue,
        feed: Feed,
        reset: Callable[[], None],
        *,
        stored: bool,
    ) -> None:
        self._workspace = workspace
        self._vendor = vendor
        self._faults = faults
        self._feed = feed
        self._reset_all = reset
        self._stored = stored

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
            "stored": self._stored,
            **self._workspace.as_json(),
            "request_log": [asdict(entry) | {"number": number} for number, entry in self._vendor.log.numbered()],
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
        with self._feed.watch() as messages:
            state = web.json_response(self.state()).text
            await response.write(f"event: state\ndata: {state}\n\n".encode())
            while (message := await messages.get()) is not None:
                name, data = message
                await response.write(f"event: {name}\ndata: {data}\n\n".encode())
        return response

    async def _order_fault(self, request: web.Request) -> web.Response:
        try:
            fault = _FAULT.validate_json(await request.read())
        except ValidationError as error:
            problems = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()]
            return web.json_response({"meta": {"errors": problems}}, status=400)
        self._faults.order(fault)
        self._feed.tell("faults", {"faults_waiting": len(self._faults)})
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
    is not ours. An address in `Host` can't be made to point elsewhere.

    Args:
        host: the name or address that the sandbox was told to listen on.
    """

    def __init__(self, host: str) -> None:
        self._names = {"localhost", host.lower()}

    async def refuse(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Hand on what may pass; answer the rest with 403."""
        own = f"{request.scheme}://{request.host}"
        elsewhere = request.headers.get("Origin", own) != own or request.headers.get("Sec-Fetch-Site") == "cross-site"
        if elsewhere or not self._is_ours(request.host):
            return web.json_response({"meta": {"error": "not from another site"}}, status=403)
        return await handler(request)

    def _is_ours(self, host: str) -> bool:
        name = host.rpartition(":")[0] if host.rpartition(":")[2].isdecimal() else host
        if name.lower() in self._names:
            return True
        try:
            ip_address(name.removeprefix("[").removesuffix("]"))
        except ValueError:
            return False
        return True
