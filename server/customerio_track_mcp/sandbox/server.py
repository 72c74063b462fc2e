"""The sandbox over TCP, put together: the vendor's side, its own side, and the file where one is asked for."""

from __future__ import annotations

import logging
import sqlite3
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from ssl import SSLContext
from typing import Final

from aiohttp import web

from customerio_track_mcp.sandbox.admin import Console, Guard
from customerio_track_mcp.sandbox.broadcast import Feed
from customerio_track_mcp.sandbox.faults import FaultQueue
from customerio_track_mcp.sandbox.records import Change, record_of
from customerio_track_mcp.sandbox.state import Workspace
from customerio_track_mcp.sandbox.storage import DataFileError, Storage
from customerio_track_mcp.sandbox.track_api import Handler, Vendor

logger = logging.getLogger("customerio_track_mcp.sandbox")

_LARGEST_BODY: Final = 4 * 2**20


@dataclass(frozen=True, slots=True)
class RunningSandbox:
    """A sandbox that answers.

    Attributes:
        url: its base URL, to be used as the Track API's; in a browser, the page to watch.
        workspace: what it holds.
    """

    url: str
    workspace: Workspace


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
        port: 0 for one that is free.
        region: what the region lookup answers: `us` or `eu`.
        data: the file that keeps its state; None for memory alone.
        ssl_context: serves HTTPS where given.

    Raises:
        OSError: the address can't be listened on.
        DataFileError: the file can't be opened, or holds something else.
    """
    with ExitStack() as stack:
        storage = stack.enter_context(Storage(data)) if data else None
        workspace, faults, feed = Workspace(), FaultQueue(), Feed()
        vendor = Vendor(workspace, faults, region)
        memory = _Memory(workspace, vendor, storage, feed)
        memory.recall()
        workspace.on_change = memory.keep
        faults.on_change = lambda: feed.tell("faults", {"faults_waiting": len(faults)})

        def reset() -> None:
            workspace.clear()
            vendor.clear()
            faults.clear()
            memory.clear()

        console = Console(workspace, vendor, faults, feed, reset, is_stored=lambda: memory.is_stored)
        runner = web.AppRunner(
            _application(vendor, console, Guard(host)), access_log=None, handle_signals=False, shutdown_timeout=0.5
        )
        await runner.setup()
        try:
            await web.TCPSite(runner, host, port, ssl_context=ssl_context).start()
            bound_host, bound_port = runner.addresses[0][:2]
            shown = f"[{bound_host}]" if ":" in bound_host else bound_host
            yield RunningSandbox(f"{'https' if ssl_context else 'http'}://{shown}:{bound_port}", workspace)
        finally:
            feed.close()
            await runner.cleanup()


class _Memory:
    """Keeps each change: in the file where there is one, and with whoever watches."""

    def __init__(self, workspace: Workspace, vendor: Vendor, storage: Storage | None, feed: Feed) -> None:
        self._workspace = workspace
        self._vendor = vendor
        self._storage = storage
        self._feed = feed

    @property
    def is_stored(self) -> bool:
        return self._storage is not None

    def recall(self) -> None:
        """Take back what is stored."""
        try:
            for change in self._storage.load() if self._storage else ():
                if change.kind == "request":
                    self._vendor.restore(change)
                else:
                    self._workspace.restore(change)
        except (TypeError, KeyError, ValueError) as error:
            raise DataFileError(f"the file holds a record that can't be read ({error})") from None

    def keep(self, change: Change) -> None:
        oldest = {
            "event": self._workspace.events.oldest,
            "dropped": self._workspace.dropped.oldest,
            "request": self._vendor.log.oldest,
        }.get(change.kind)
        self._store(change, oldest)
        self._feed.tell("change", record_of(change) | {"oldest": oldest})

    def clear(self) -> None:
        if self._storage:
            self._storage.clear()

    def _store(self, change: Change, oldest: int | None) -> None:
        if self._storage is None:
            return
        try:
            self._storage.save(change)
            if oldest is not None:
                self._storage.forget(change.kind, oldest)
        except sqlite3.Error as error:
            logger.warning("the sandbox's file can't be written (%s): from now on its state is in memory alone", error)
            self._storage = None


def _application(vendor: Vendor, console: Console, guard: Guard) -> web.Application:
    @web.middleware
    async def guarded(request: web.Request, handler: Handler) -> web.StreamResponse:
        return await guard.refuse(request, handler)

    @web.middleware
    async def as_vendor(request: web.Request, handler: Handler) -> web.StreamResponse:
        if request.rel_url.raw_path.startswith("/api/"):
            return await vendor.serve(request, handler)
        return await handler(request)

    app = web.Application(middlewares=[guarded, as_vendor], client_max_size=_LARGEST_BODY)
    vendor.add_routes(app.router)
    console.add_routes(app.router)
    return app
