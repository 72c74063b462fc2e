"""The command `http`: whether it may listen there, one process or several, and what it tells of itself."""

from __future__ import annotations

import argparse
import logging
import os
import socket
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from tempfile import TemporaryDirectory

import anyio

from customerio_track_mcp.http.access import Access
from customerio_track_mcp.http.app import PATH, hosts_answered, in_url
from customerio_track_mcp.http.settings import HttpSettings
from customerio_track_mcp.http.workers import READY, Workers
from customerio_track_mcp.terminal import say
from customerio_track_mcp.track import is_loopback
from customerio_track_mcp.workspace import Workspace, workspace

logger = logging.getLogger(__name__)


def forbidden(options: argparse.Namespace, settings: HttpSettings) -> str:
    """Why this service may not listen where it is told to; empty where it may."""
    if is_loopback(options.host) or settings.authenticates or options.allow_unauthenticated:
        return ""
    return (
        f"--host {options.host} is refused: without authentication this service listens on loopback only (127.0.0.1, "
        "::1). Set CUSTOMERIO_HTTP_TOKENS or CUSTOMERIO_HTTP_TOKENS_FILE ('customerio-track-mcp token NAME' makes a "
        "token), or CUSTOMERIO_HTTP_ISSUER for OAuth; or say --allow-unauthenticated, which lets everybody who "
        "reaches the port write to the workspace."
    )


async def serve_http(options: argparse.Namespace, settings: HttpSettings) -> int:
    """Serve until a signal ends it.

    Returns:
        The exit status.

    Raises:
        BadSettingsError: a setting can't be used.
        OSError: the address can't be listened on.
    """
    access = Access(settings)
    async with workspace(options) as where:
        if options.descriptor is not None:
            with socket.socket(fileno=options.descriptor) as listener:
                await _work(options, settings, access, where, listener)
            return 0
        family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
        with socket.create_server((options.host, options.port), family=family, backlog=1024) as listener:
            tell = _teller(options, settings, where, listener.getsockname()[1])
            if options.workers > 1:
                return await _supervise(options, where, listener, tell)
            await _serve(options, settings, access, where, listener, tell)
            return 0


async def _serve(
    options: argparse.Namespace,
    settings: HttpSettings,
    access: Access,
    where: Workspace,
    listener: socket.socket,
    ready: Callable[[], None],
    parent_gone: Callable[[], Awaitable[None]] = anyio.sleep_forever,
) -> None:
    # Only here, and not where it would be imported by a process that supervises: the counts' place is chosen then.
    from customerio_track_mcp.http.service import Service

    service = Service(
        settings=where.settings,
        http_settings=settings,
        access=access,
        base_url=where.base_url,
        host=options.host,
        note=where.note,
        processes=options.workers,
    )
    await service.run(listener, ready, parent_gone)


async def _work(
    options: argparse.Namespace, settings: HttpSettings, access: Access, where: Workspace, listener: socket.socket
) -> None:
    """Be one of several workers: say when it answers, and end when the process that started it does."""

    async def parent_gone() -> None:
        # Nothing is ever written there: what can be read is its end.
        await anyio.wait_readable(sys.stdin.fileno())

    def ready() -> None:
        os.write(sys.stdout.fileno(), READY)

    await _serve(options, settings, access, where, listener, ready, parent_gone)


async def _supervise(
    options: argparse.Namespace, where: Workspace, listener: socket.socket, ready: Callable[[], None]
) -> int:
    from prometheus_client.multiprocess import mark_process_dead

    command = [sys.executable, "-m", "customerio_track_mcp", "http", "--host", options.host]
    command += ["--workers", str(options.workers), "--descriptor", str(listener.fileno())]
    if options.allow_unauthenticated:
        command.append("--allow-unauthenticated")
    if options.sandbox:
        command += ["--sandbox-url", where.base_url]
    with TemporaryDirectory(prefix="customerio-track-mcp-") as counts:
        environment = dict(os.environ) | {"PROMETHEUS_MULTIPROC_DIR": counts}

        def ended(process_id: int) -> None:
            # What a worker had at work when it died is at work no more.
            if Path(counts).is_dir():
                mark_process_dead(process_id, counts)  # type: ignore[no-untyped-call]

        return await Workers(command, options.workers, environment, listener.fileno(), ended).run(ready)


def _teller(options: argparse.Namespace, settings: HttpSettings, where: Workspace, port: int) -> Callable[[], None]:
    url = f"http://{in_url(options.host)}:{port}{PATH}"

    def tell() -> None:
        if where.settings.log_format == "json":
            logger.warning("listening", extra={"url": url, "workers": options.workers})
            return
        say(f"listening on {url}" + (f" with {options.workers} workers" if options.workers > 1 else ""))
        if not is_loopback(options.host):
            names = ", ".join(sorted(hosts_answered(options.host, settings)))
            say(f"answers requests that are addressed to: {names} (CUSTOMERIO_HTTP_ALLOWED_HOSTS names more)")
            if not settings.authenticates:
                say("WARNING: everybody who reaches this port can write to the workspace")

    return tell
