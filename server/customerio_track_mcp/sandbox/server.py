"""Run the sandbox on a TCP port: the Track API, the sandbox's own endpoints, and the data file if there is one."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from ssl import SSLContext
from typing import Any, Final, TypeVar, cast

from aiohttp import web

from customerio_track_mcp.sandbox.admin import Admin
from customerio_track_mcp.sandbox.bodies import BodyReader
from customerio_track_mcp.sandbox.bounds import IDLE_SECONDS, LINGER_SECONDS, READ_BUFFER_BYTES
from customerio_track_mcp.sandbox.calls import CallLog
from customerio_track_mcp.sandbox.certificate import create_certificate, temporary_ca_file
from customerio_track_mcp.sandbox.connections import Connections
from customerio_track_mcp.sandbox.demo_player import DemoPlayer, PlayDemo
from customerio_track_mcp.sandbox.error_bodies import internal_error_response
from customerio_track_mcp.sandbox.handle import SandboxHandle
from customerio_track_mcp.sandbox.origin_guard import CrossSiteGuard
from customerio_track_mcp.sandbox.page_files import PageFiles
from customerio_track_mcp.sandbox.parts import SandboxParts
from customerio_track_mcp.sandbox.people import FullError
from customerio_track_mcp.sandbox.records import Change, Kind, record_of
from customerio_track_mcp.sandbox.request_log import RequestLog
from customerio_track_mcp.sandbox.state import WorkspaceState
from customerio_track_mcp.sandbox.storage import Storage, reason_of
from customerio_track_mcp.sandbox.track_api import REGIONS, Handler, TrackApi

logger = logging.getLogger("customerio_track_mcp.sandbox")

Value = TypeVar("Value")

_MAX_PORT: Final = 65_535


class RunningSandbox(SandboxHandle):
    """A sandbox that accepts requests. Use it in its own event loop; what it contains can be read after it has stopped.

    Args:
        url: its base URL.
        parts: what it consists of.
        ca_file: the file with its CA certificate; None without TLS.

    Attributes:
        workspace: its state.
        calls: the tool calls of its timeline.
    """

    def __init__(self, url: str, parts: SandboxParts, ca_file: Path | None = None) -> None:
        self.workspace = parts.workspace
        self.calls = parts.calls
        self._url = url
        self._ca_file = ca_file
        self._parts = parts

    @property
    def url(self) -> str:  # noqa: D102 - inherited
        return self._url

    @property
    def ca_file(self) -> Path | None:  # noqa: D102 - inherited
        return self._ca_file

    @property
    def control_requests(self) -> dict[str, int]:
        """How often each endpoint of the sandbox itself has changed it, such as `POST /_sandbox/reset`.

        Those of the Track API and reports of tool calls do not count. A reset does not clear this.
        """
        return dict(self._parts.control_requests)

    @property
    def is_complete(self) -> bool:
        """Whether the events, the requests, the calls and what was dropped are all there: only the newest are kept."""
        parts = self._parts
        logs = (parts.workspace.events, parts.workspace.dropped, parts.requests.log, parts.calls.log)
        return all(log.oldest == 1 for log in logs)

    def record_call(self, fields: Mapping[str, object]) -> None:
        """Add a tool call to the timeline, as `POST /_sandbox/calls` does. Call this in the sandbox's event loop.

        Args:
            fields: those of `ToolCall`, as JSON values.

        Raises:
            ValueError: a field is missing, unknown or of another type, or the call is too large.
        """
        self.calls.add(fields)

    def run(self, action: Callable[[SandboxParts], Value]) -> Value:
        """Run an action with the parts of the sandbox, for a handle in another thread."""
        return action(self._parts)

    _run = run


@asynccontextmanager
async def run_sandbox(
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    region: str = "us",
    tls: bool = False,
    data: Path | None = None,
    ssl_context: SSLContext | None = None,
    play_demo: PlayDemo | None = None,
    allowed_hosts: Collection[str] = (),
) -> AsyncIterator[RunningSandbox]:
    """Run a sandbox until the block ends.

    Args:
        host: the address to listen on.
        port: the port to listen on; 0 for any free port.
        region: the workspace's region, `us` or `eu`.
        tls: whether to serve https, with a certificate made on the spot for loopback, `host` and `allowed_hosts`.
            Clients must trust `ca_file`. The event loop must be one of asyncio: uvloop 0.23 loses the beginning of
            handshakes.
        data: the file to keep the state in; None keeps it in memory only.
        ssl_context: a TLS configuration of the caller's own; ignored with `tls`.
        play_demo: loads the demo's data when the page asks for it; None if it cannot.
        allowed_hosts: further hostnames that `Host` may contain.

    Raises:
        OSError: the address cannot be listened on.
        DataFileError: the file cannot be opened, or is not a valid data file.
        CertificateError: a hostname is not allowed in a certificate, or no temporary file can be written.
        ValueError: the port or the region is invalid.
    """
    if region not in REGIONS:
        raise ValueError(f"region: must be one of {', '.join(REGIONS)}")
    if type(port) is not int or not 0 <= port <= _MAX_PORT:
        raise ValueError(f"port: must be a number from 0 to {_MAX_PORT}")
    async with AsyncExitStack() as stack:
        ca_file = None
        if tls:
            certificate = create_certificate([host, *allowed_hosts])
            ssl_context, ca_file = certificate.context, stack.enter_context(temporary_ca_file(certificate))
        storage = stack.enter_context(Storage(data)) if data else None
        parts = SandboxParts(DemoPlayer(play_demo), BodyReader())
        recorder = _Recorder(parts, storage)
        recorder.restore()
        parts.workspace.on_change = parts.requests.on_change = parts.calls.on_change = recorder.record
        _publish_activity(parts)

        parts.on_reset.append(recorder.clear)
        runner = web.AppRunner(
            _application(
                CrossSiteGuard(host, allowed_hosts),
                TrackApi(parts.workspace, parts.requests, parts.faults, parts.bodies, region),
                Admin(parts, is_stored=lambda: recorder.is_stored),
            ),
            access_log=None,
            handle_signals=False,
            shutdown_timeout=0.5,
            handler_cancellation=True,
            # aiohttp closes a connection after this time without a complete head, the first one included.
            keepalive_timeout=IDLE_SECONDS,
            lingering_time=LINGER_SECONDS,
            read_bufsize=READ_BUFFER_BYTES,
            logger=_ServerLog(logger),
        )
        connections = Connections(ssl_context)
        stack.push_async_callback(connections.end)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        stack.callback(parts.broadcaster.close)
        listener = await connections.listen(cast(web.Server, runner.server), host, port)
        stack.push_async_callback(connections.close, listener)
        bound_host, bound_port = listener.sockets[0].getsockname()[:2]
        url_host = f"[{bound_host}]" if ":" in bound_host else bound_host
        parts.demo.url = f"{'https' if ssl_context else 'http'}://{url_host}:{bound_port}"
        stack.push_async_callback(parts.demo.stop)
        yield RunningSandbox(parts.demo.url, parts, ca_file)


def _publish_activity(parts: SandboxParts) -> None:
    """Publish changes of what is not recorded: the faults that wait, and whether the demo's data is playing."""

    def publish_demo(problem: str | None) -> None:
        parts.broadcaster.publish("demo", {"is_playing_demo": parts.demo.is_playing, "problem": problem})

    parts.faults.on_change = lambda: parts.broadcaster.publish("faults", parts.faults.as_json())
    parts.demo.on_change = publish_demo


class _ServerLog(logging.LoggerAdapter[logging.Logger]):
    """The log of aiohttp's server: what clients send is not logged, and a failure is one line."""

    def exception(self, msg: object, *args: object, **kwargs: Any) -> None:
        del msg, args
        error = kwargs.get("exc_info")
        self.debug("a request is not valid HTTP, or its client has left (%s)", type(error).__name__)


class _Recorder:
    """Saves each change in the data file, if there is one, and publishes it."""

    def __init__(self, parts: SandboxParts, storage: Storage | None) -> None:
        self._parts = parts
        self._storage = storage

    @property
    def is_stored(self) -> bool:
        return self._storage is not None

    def restore(self) -> None:
        """Restore the state from the data file.

        Raises:
            DataFileError: the file is damaged, or a record is invalid.
        """
        if self._storage is None:
            return
        for change in self._storage.load():
            try:
                self._owner(change.kind).restore(change)
            except (ValueError, FullError) as error:
                raise self._storage.invalid(change.kind, change.key, str(error)) from None

    def record(self, change: Change) -> None:
        if self._storage is None and not self._parts.broadcaster.has_subscribers:
            return
        oldest = self._oldest(change.kind)
        self._store(change, oldest)
        self._parts.broadcaster.publish("change", record_of(change) | {"oldest": oldest})

    def clear(self) -> None:
        self._write(Storage.clear)

    def _owner(self, kind: Kind) -> WorkspaceState | RequestLog | CallLog:
        if kind == "request":
            return self._parts.requests
        return self._parts.calls if kind == "call" else self._parts.workspace

    def _oldest(self, kind: Kind) -> int | None:
        """Return the number of the oldest record of a kind; None if records of this kind are not numbered."""
        match kind:
            case "event":
                return self._parts.workspace.events.oldest
            case "dropped":
                return self._parts.workspace.dropped.oldest
            case "request":
                return self._parts.requests.log.oldest
            case "call":
                return self._parts.calls.log.oldest
            case _:
                return None

    def _store(self, change: Change, oldest: int | None) -> None:
        def save(storage: Storage) -> None:
            storage.save(change)
            if oldest is not None:
                storage.delete_before(change.kind, oldest)

        self._write(save)

    def _write(self, write: Callable[[Storage], None]) -> None:
        if self._storage is None:
            return
        try:
            write(self._storage)
        except sqlite3.Error as error:
            reason = f"{self._storage.path}: {reason_of(error)}"
            logger.warning("the sandbox's file can't be written (%s): from now on its state is in memory alone", reason)
            self._storage = None
            self._parts.broadcaster.close()  # the pages reconnect, and show that the state is not kept


def _application(origin_guard: CrossSiteGuard, track_api: TrackApi, admin: Admin) -> web.Application:
    @web.middleware
    async def reject_cross_site(request: web.Request, handler: Handler) -> web.StreamResponse:
        return await origin_guard.handle(request, handler)

    @web.middleware
    async def serve_track_api(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.rel_url.raw_path.startswith("/api/"):
            return await track_api.serve(request, handler)
        return await handler(request)

    @web.middleware
    async def report_errors(request: web.Request, handler: Handler) -> web.StreamResponse:
        try:
            return await handler(request)
        except (web.HTTPException, ConnectionError):
            raise
        except Exception as error:  # noqa: BLE001 - aiohttp would log a traceback with the client's data
            return internal_error_response(error)

    app = web.Application(middlewares=[report_errors, reject_cross_site, serve_track_api])
    track_api.add_routes(app.router)
    admin.add_routes(app.router)
    PageFiles().add_routes(app.router)
    return app
