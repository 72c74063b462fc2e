"""Run the sandbox on a TCP port: the Track API, the sandbox's own endpoints, and the data file if there is one."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from ssl import SSLContext
from typing import Any, cast

from aiohttp import web

from customerio_track_mcp.sandbox.admin import Admin
from customerio_track_mcp.sandbox.bodies import BodyReader
from customerio_track_mcp.sandbox.bounds import IDLE_SECONDS, LINGER_SECONDS, READ_BUFFER_BYTES
from customerio_track_mcp.sandbox.broadcast import Broadcaster
from customerio_track_mcp.sandbox.connections import listen
from customerio_track_mcp.sandbox.faults import FaultQueue
from customerio_track_mcp.sandbox.origin_guard import CrossSiteGuard
from customerio_track_mcp.sandbox.people import FullError
from customerio_track_mcp.sandbox.records import Change, record_of
from customerio_track_mcp.sandbox.state import WorkspaceState
from customerio_track_mcp.sandbox.storage import Storage, reason_of
from customerio_track_mcp.sandbox.track_api import Handler, TrackApi

logger = logging.getLogger("customerio_track_mcp.sandbox")


@dataclass(frozen=True, slots=True)
class RunningSandbox:
    """A sandbox that accepts requests.

    Attributes:
        url: its base URL. It is the base URL of the Track API, and the address of the page.
        workspace: its state.
    """

    url: str
    workspace: WorkspaceState


@asynccontextmanager
async def run_sandbox(
    *,
    host: str = "127.0.0.1",
    port: int = 0,
    region: str = "us",
    data: Path | None = None,
    ssl_context: SSLContext | None = None,
) -> AsyncIterator[RunningSandbox]:
    """Run a sandbox until the block ends.

    Args:
        host: the address to listen on.
        port: the port to listen on; 0 for any free port.
        region: the workspace's region, `us` or `eu`.
        data: the file to keep the state in; None keeps it in memory only.
        ssl_context: the TLS configuration; None serves plain HTTP.

    Raises:
        OSError: the address cannot be listened on.
        DataFileError: the file cannot be opened, or is not a valid data file.
    """
    async with AsyncExitStack() as stack:
        storage = stack.enter_context(Storage(data)) if data else None
        workspace, faults, broadcaster, bodies = WorkspaceState(), FaultQueue(), Broadcaster(), BodyReader()
        track_api = TrackApi(workspace, faults, bodies, region)
        recorder = _Recorder(workspace, track_api, storage, broadcaster)
        recorder.restore()
        workspace.on_change = recorder.record
        faults.on_change = lambda: broadcaster.publish("faults", {"faults_waiting": len(faults)})

        def reset() -> None:
            workspace.clear()
            track_api.clear()
            faults.clear()
            recorder.clear()

        admin = Admin(workspace, track_api, faults, broadcaster, bodies, reset, is_stored=lambda: recorder.is_stored)
        runner = web.AppRunner(
            _application(track_api, admin, CrossSiteGuard(host)),
            access_log=None,
            handle_signals=False,
            shutdown_timeout=0.5,
            # aiohttp closes a connection after this time without a complete head, the first one included.
            keepalive_timeout=IDLE_SECONDS,
            lingering_time=LINGER_SECONDS,
            read_bufsize=READ_BUFFER_BYTES,
            logger=_ServerLog(logger),
        )
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        stack.callback(broadcaster.close)
        listener = await listen(cast(web.Server, runner.server), host, port, ssl_context)
        stack.callback(listener.close)
        bound_host, bound_port = listener.sockets[0].getsockname()[:2]
        url_host = f"[{bound_host}]" if ":" in bound_host else bound_host
        yield RunningSandbox(f"{'https' if ssl_context else 'http'}://{url_host}:{bound_port}", workspace)


class _ServerLog(logging.LoggerAdapter[logging.Logger]):
    """The log of aiohttp's server: what clients send is not logged, and a failure is one line."""

    def exception(self, msg: object, *args: object, **kwargs: Any) -> None:
        del msg, args
        error = kwargs.get("exc_info")
        self.debug("a request is not valid HTTP, or its client has left (%s)", type(error).__name__)


class _Recorder:
    """Saves each change in the data file, if there is one, and publishes it."""

    def __init__(
        self, workspace: WorkspaceState, track_api: TrackApi, storage: Storage | None, broadcaster: Broadcaster
    ) -> None:
        self._workspace = workspace
        self._track_api = track_api
        self._storage = storage
        self._broadcaster = broadcaster

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
                if change.kind == "request":
                    self._track_api.restore(change)
                else:
                    self._workspace.restore(change)
            except (ValueError, FullError) as error:
                raise self._storage.invalid(change.kind, change.key, str(error)) from None

    def record(self, change: Change) -> None:
        oldest = {
            "event": self._workspace.events.oldest,
            "dropped": self._workspace.dropped.oldest,
            "request": self._track_api.log.oldest,
        }.get(change.kind)
        self._store(change, oldest)
        self._broadcaster.publish("change", record_of(change) | {"oldest": oldest})

    def clear(self) -> None:
        self._write(Storage.clear)

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
            self._broadcaster.close()  # the pages reconnect, and show that the state is not kept


def _application(track_api: TrackApi, admin: Admin, origin_guard: CrossSiteGuard) -> web.Application:
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
            logger.error("the sandbox failed to handle a request (%s): this is a bug", type(error).__name__)  # noqa: TRY400
            return web.json_response({"meta": {"error": "internal error: this is a bug in the sandbox"}}, status=500)

    app = web.Application(middlewares=[report_errors, reject_cross_site, serve_track_api])
    track_api.add_routes(app.router)
    admin.add_routes(app.router)
    return app
