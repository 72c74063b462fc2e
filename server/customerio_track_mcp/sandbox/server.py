"""Run the sandbox on a TCP port: the Track API, the sandbox's own endpoints, and the data file if there is one."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from ssl import SSLContext
from typing import Final

from aiohttp import web

from customerio_track_mcp.sandbox.admin import Admin
from customerio_track_mcp.sandbox.broadcast import Broadcaster
from customerio_track_mcp.sandbox.faults import FaultQueue
from customerio_track_mcp.sandbox.origin_guard import CrossSiteGuard
from customerio_track_mcp.sandbox.records import Change, record_of
from customerio_track_mcp.sandbox.state import WorkspaceState
from customerio_track_mcp.sandbox.storage import DataFileError, Storage
from customerio_track_mcp.sandbox.track_api import Handler, TrackApi

logger = logging.getLogger("customerio_track_mcp.sandbox")

_MAX_BODY_BYTES: Final = 4 * 2**20


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
    with ExitStack() as stack:
        storage = stack.enter_context(Storage(data)) if data else None
        workspace, faults, broadcaster = WorkspaceState(), FaultQueue(), Broadcaster()
        track_api = TrackApi(workspace, faults, region)
        recorder = _Recorder(workspace, track_api, storage, broadcaster)
        recorder.restore()
        workspace.on_change = recorder.record
        faults.on_change = lambda: broadcaster.publish("faults", {"faults_waiting": len(faults)})

        def reset() -> None:
            workspace.clear()
            track_api.clear()
            faults.clear()
            recorder.clear()

        admin = Admin(workspace, track_api, faults, broadcaster, reset, is_stored=lambda: recorder.is_stored)
        runner = web.AppRunner(
            _application(track_api, admin, CrossSiteGuard(host)),
            access_log=None,
            handle_signals=False,
            shutdown_timeout=0.5,
        )
        await runner.setup()
        try:
            await web.TCPSite(runner, host, port, ssl_context=ssl_context).start()
            bound_host, bound_port = runner.addresses[0][:2]
            url_host = f"[{bound_host}]" if ":" in bound_host else bound_host
            yield RunningSandbox(f"{'https' if ssl_context else 'http'}://{url_host}:{bound_port}", workspace)
        finally:
            broadcaster.close()
            await runner.cleanup()


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
            DataFileError: a record is invalid.
        """
        if self._storage is None:
            return
        try:
            for change in self._storage.load():
                if change.kind == "request":
                    self._track_api.restore(change)
                else:
                    self._workspace.restore(change)
        except (TypeError, KeyError, ValueError) as error:
            raise DataFileError(f"{self._storage.path} contains an invalid record ({error})") from None

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
            logger.warning("the sandbox's file can't be written (%s): from now on its state is in memory alone", error)
            self._storage = None


def _application(track_api: TrackApi, admin: Admin, origin_guard: CrossSiteGuard) -> web.Application:
    @web.middleware
    async def reject_cross_site(request: web.Request, handler: Handler) -> web.StreamResponse:
        return await origin_guard.handle(request, handler)

    @web.middleware
    async def serve_track_api(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.rel_url.raw_path.startswith("/api/"):
            return await track_api.serve(request, handler)
        return await handler(request)

    app = web.Application(middlewares=[reject_cross_site, serve_track_api], client_max_size=_MAX_BODY_BYTES)
    track_api.add_routes(app.router)
    admin.add_routes(app.router)
    return app
