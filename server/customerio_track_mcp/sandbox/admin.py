"""The sandbox's own endpoints: the state as JSON, live changes, tool calls, segments, faults, the demo, reset."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from importlib.metadata import version
from itertools import chain
from typing import Final

from aiohttp import web
from pydantic import TypeAdapter, ValidationError

from customerio_track_mcp.sandbox.bodies import BodyError
from customerio_track_mcp.sandbox.bounds import (
    MAX_CALL_BYTES,
    MAX_FAULT_BODY_BYTES,
    MAX_ITEMS,
    MAX_SEGMENT_BODY_BYTES,
    MAX_SNAPSHOTS,
    MAX_WATCHERS,
    SEND_SECONDS,
)
from customerio_track_mcp.sandbox.broadcast import TooManySubscribersError
from customerio_track_mcp.sandbox.error_bodies import error_response, errors_response
from customerio_track_mcp.sandbox.faults import FAULT_KINDS, Fault, TooManyFaultsError
from customerio_track_mcp.sandbox.json_values import pieces_of
from customerio_track_mcp.sandbox.parts import SandboxParts
from customerio_track_mcp.sandbox.problems import problems_of
from customerio_track_mcp.sandbox.records import numbered_records
from customerio_track_mcp.sandbox.segments import NewSegment
from customerio_track_mcp.sandbox.state import BadRequestError, segment_record
from customerio_track_mcp.sandbox.track_api import Handler

_PACKAGE: Final = "customerio-track-mcp"
_FAULT: Final[TypeAdapter[Fault]] = TypeAdapter(Fault)
_FAULT_ID: Final = re.compile("[0-9]{1,15}")
_PIECE_CHARACTERS: Final = 2**16
"""Text that is handed to the connection at once. aiohttp then waits until the client has received most of it."""


class Admin:
    """The endpoints by which a person or a test watches and controls the sandbox.

    Args:
        parts: what they show and control.
        is_stored: returns whether the state is kept in a file.
    """

    def __init__(self, parts: SandboxParts, *, is_stored: Callable[[], bool]) -> None:
        self._parts = parts
        self._snapshots = asyncio.Semaphore(MAX_SNAPSHOTS)
        self._is_stored = is_stored
        self._version = version(_PACKAGE)
        parts.on_reset.append(self._publish_state)

    def add_routes(self, router: web.UrlDispatcher) -> None:
        """Add the routes of `/_sandbox`."""
        router.add_get("/_sandbox", self._identity)
        router.add_get("/_sandbox/state", self._state)
        router.add_get("/_sandbox/changes", self._changes)
        router.add_post("/_sandbox/calls", self._add_call)
        router.add_post("/_sandbox/segments", self._counted(self._add_segment))
        router.add_get("/_sandbox/faults", self._faults)
        router.add_post("/_sandbox/faults", self._counted(self._add_fault))
        router.add_delete("/_sandbox/faults/{id}", self._counted(self._remove_fault))
        router.add_post("/_sandbox/demo", self._counted(self._play_demo))
        router.add_post("/_sandbox/reset", self._counted(self._reset))

    def _counted(self, handler: Handler) -> Handler:
        """Return a handler that also counts what it has changed, for whoever trusts the state afterwards."""

        async def handle(request: web.Request) -> web.StreamResponse:
            response = await handler(request)
            resource = request.match_info.route.resource
            if response.status < 300 and resource is not None:
                self._parts.control_requests[f"{request.method} {resource.canonical}"] += 1
            return response

        return handle

    def state(self) -> dict[str, object]:
        """Return the complete state as JSON values, with an iterator for each long list."""
        request_log = self._parts.requests.log
        return {
            "version": self._version,
            "requests": request_log.total,
            **self._parts.faults.as_json(),
            "kept": MAX_ITEMS,
            "stored": self._is_stored(),
            "can_play_demo": self._parts.demo.can_play,
            "is_playing_demo": self._parts.demo.is_playing,
            **self._parts.workspace.as_json(),
            "request_log": numbered_records(request_log.numbered()),
            "calls": numbered_records(self._parts.calls.log.numbered()),
        }

    async def _identity(self, request: web.Request) -> web.Response:
        del request
        return web.json_response({"name": f"{_PACKAGE} sandbox", "version": self._version})

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
            subscription = self._parts.broadcaster.subscribe(
                on_overflow=lambda: _abort(request), is_connected=lambda: request.transport is not None
            )
            # A browser tab that was closed is not an error.
            with subscription as messages, suppress(ConnectionError):

                def pieces() -> Iterator[str]:
                    messages.start()  # an earlier change would bring back what the state no longer contains
                    return chain(["event: state\ndata: "], pieces_of(self.state()), ["\n\n"])

                await response.prepare(request)
                await self._send_state(request, response, pieces)
                async for name, data in messages:
                    await _write(response, (f"event: {name}\ndata: ", data, "\n\n"))
        except TooManySubscribersError:
            refused = error_response(f"{MAX_WATCHERS} pages are open, the maximum; close one, then reload", 503)
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

    async def _add_call(self, request: web.Request) -> web.Response:
        try:
            self._parts.calls.add_json(await self._parts.bodies.read(request, MAX_CALL_BYTES))
        except BodyError as error:
            return errors_response(str(error), status=error.status)
        except ValueError as error:
            return errors_response(str(error))
        return web.json_response({})

    async def _add_segment(self, request: web.Request) -> web.Response:
        try:
            content = await self._parts.bodies.read(request, MAX_SEGMENT_BODY_BYTES)
            segment = self._parts.workspace.add_segment(NewSegment.model_validate_json(content))
        except BodyError as error:
            return errors_response(str(error), status=error.status)
        except ValidationError as error:
            return errors_response(*problems_of(error))
        except BadRequestError as error:
            return errors_response(str(error))
        return web.json_response(segment_record(segment))

    async def _faults(self, request: web.Request) -> web.Response:
        del request
        return web.json_response(self._parts.faults.as_json())

    async def _add_fault(self, request: web.Request) -> web.Response:
        try:
            fault = _FAULT.validate_json(await self._parts.bodies.read(request, MAX_FAULT_BODY_BYTES))
            fault_id = self._parts.faults.add(fault)
        except BodyError as error:
            return errors_response(str(error), status=error.status)
        except ValidationError as error:
            return errors_response(*problems_of(error, kinds=FAULT_KINDS))
        except TooManyFaultsError as error:
            return errors_response(str(error))
        return web.json_response({"id": fault_id, "faults_waiting": len(self._parts.faults)})

    async def _remove_fault(self, request: web.Request) -> web.Response:
        fault_id = request.match_info["id"]
        if not _FAULT_ID.fullmatch(fault_id) or not self._parts.faults.remove(int(fault_id)):
            return error_response("no fault with this id is waiting; it may have been used or removed", 404)
        return web.json_response(self._parts.faults.as_json())

    async def _play_demo(self, request: web.Request) -> web.Response:
        del request
        if not self._parts.demo.can_play:
            return error_response("this sandbox cannot play the demo's data", 404)
        if self._parts.demo.is_playing:
            return error_response("the demo's data is playing already", 409)
        self._parts.demo.start()
        return web.json_response({}, status=202)

    async def _reset(self, request: web.Request) -> web.Response:
        del request
        self._parts.reset()
        return web.json_response({})

    def _publish_state(self) -> None:
        state = {name: list(value) if isinstance(value, Iterator) else value for name, value in self.state().items()}
        self._parts.broadcaster.publish("state", state)


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
