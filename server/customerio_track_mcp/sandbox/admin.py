"""The sandbox's own endpoints: the page, the state as JSON, live changes, fault injection, reset."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from importlib.resources import files
from itertools import chain
from typing import Final

from aiohttp import web
from pydantic import TypeAdapter, ValidationError

from customerio_track_mcp.sandbox.bodies import BodyError, BodyReader
from customerio_track_mcp.sandbox.bounds import (
    MAX_FAULT_BODY_BYTES,
    MAX_FAULTS,
    MAX_ITEMS,
    MAX_SNAPSHOTS,
    MAX_WATCHERS,
    SEND_SECONDS,
)
from customerio_track_mcp.sandbox.broadcast import Broadcaster, TooManySubscribersError
from customerio_track_mcp.sandbox.faults import Fault, FaultQueue, TooManyFaultsError
from customerio_track_mcp.sandbox.json_values import pieces_of
from customerio_track_mcp.sandbox.records import numbered_records
from customerio_track_mcp.sandbox.state import WorkspaceState
from customerio_track_mcp.sandbox.track_api import TrackApi

_FAULT: Final[TypeAdapter[Fault]] = TypeAdapter(Fault)
_PIECE_CHARACTERS: Final = 2**16
"""Text that is handed to the connection at once. aiohttp then waits until the client has received most of it."""
_MAX_PROBLEMS: Final = 10
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
        bodies: reads the bodies.
        reset: deletes everything.
        is_stored: returns whether the state is kept in a file.
    """

    def __init__(
        self,
        workspace: WorkspaceState,
        track_api: TrackApi,
        faults: FaultQueue,
        broadcaster: Broadcaster,
        bodies: BodyReader,
        reset: Callable[[], None],
        *,
        is_stored: Callable[[], bool],
    ) -> None:
        self._workspace = workspace
        self._track_api = track_api
        self._faults = faults
        self._broadcaster = broadcaster
        self._bodies = bodies
        self._snapshots = asyncio.Semaphore(MAX_SNAPSHOTS)
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
        """Return the complete state as JSON values, with an iterator for each list."""
        request_log = self._track_api.log
        return {
            "requests": request_log.total,
            "faults_waiting": len(self._faults),
            "kept": MAX_ITEMS,
            "stored": self._is_stored(),
            **self._workspace.as_json(),
            "request_log": numbered_records(request_log.numbered()),
        }

    async def _page(self, request: web.Request) -> web.Response:
        name, content_type = _PAGE_FILES[request.path]
        text = (_PAGE / name).read_text(encoding="utf-8")
        return web.Response(text=text, content_type=content_type, headers=_PAGE_HEADERS)

    async def _state(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json; charset=utf-8"})
        with suppress(ConnectionError):
            await response.prepare(request)
            await self._send_state(request, response, lambda: pieces_of(self.state()))
        return response

    async def _changes(self, request: web.Request) -> web.StreamResponse:
        """Send the state and then each change, as server-sent events."""
        response = web.StreamResponse(headers={"Content-Type": "text/event-stream", "Cache-Control": "no-store"})
        try:
            subscription = self._broadcaster.subscribe(
                on_overflow=lambda: _abort(request), is_connected=lambda: request.transport is not None
            )
            # A browser tab that was closed is not an error.
            with subscription as messages, suppress(ConnectionError):
                await response.prepare(request)
                await self._send_state(
                    request, response, lambda: chain(["event: state\ndata: "], pieces_of(self.state()), ["\n\n"])
                )
                async for name, data in messages:
                    await _write(response, (f"event: {name}\ndata: ", data, "\n\n"))
        except TooManySubscribersError:
            refusal = {"meta": {"error": f"{MAX_WATCHERS} pages are open, the maximum; close one, then reload"}}
            refused = web.json_response(refusal, status=503)
            refused.force_close()  # it would otherwise occupy one of the connections
            return refused
        return response

    async def _send_state(
        self, request: web.Request, response: web.StreamResponse, pieces: Callable[[], Iterator[str]]
    ) -> None:
        """Send a response that contains the state as it is when the turn of this response comes."""
        try:
            async with asyncio.timeout(SEND_SECONDS), self._snapshots:
                await _write(response, pieces())
        except TimeoutError:
            _abort(request)
            raise ConnectionAbortedError from None

    async def _add_fault(self, request: web.Request) -> web.Response:
        try:
            fault = _FAULT.validate_json(await self._bodies.read(request, MAX_FAULT_BODY_BYTES))
            self._faults.add(fault)
        except BodyError as error:
            return web.json_response({"meta": {"errors": [str(error)]}}, status=error.status)
        except ValidationError as error:
            problems = [f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors()[:_MAX_PROBLEMS]]
            return web.json_response({"meta": {"errors": problems}}, status=400)
        except TooManyFaultsError:
            problem = f"count: faults may wait for at most {MAX_FAULTS} requests; reset, or send some of those requests"
            return web.json_response({"meta": {"errors": [problem]}}, status=400)
        return web.json_response({"faults_waiting": len(self._faults)})

    async def _reset(self, request: web.Request) -> web.Response:
        del request
        self._reset_sandbox()
        state = {name: list(value) if isinstance(value, Iterator) else value for name, value in self.state().items()}
        self._broadcaster.publish("state", state)
        return web.json_response({})


async def _write(response: web.StreamResponse, texts: Iterable[str]) -> None:
    """Write texts as fast as the client receives them, many short ones or a part of a long one at a time."""
    waiting: list[str] = []
    length = 0
    for text in texts:
        for start in range(0, len(text), _PIECE_CHARACTERS):
            waiting.append(text[start : start + _PIECE_CHARACTERS])
            length += len(waiting[-1])
            if length >= _PIECE_CHARACTERS:
                await response.write("".join(waiting).encode())
                await asyncio.sleep(0)  # others are served even if the client is fast
                waiting, length = [], 0
    if waiting:
        await response.write("".join(waiting).encode())


def _abort(request: web.Request) -> None:
    if request.transport is not None:
        request.transport.abort()
