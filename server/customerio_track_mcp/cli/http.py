"""The command `http`: whether it may listen there, one process or several, and what it tells of itself."""

from __future__ import annotations

import argparse
import gc
import logging
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory

from prometheus_client.multiprocess import mark_process_dead

import customerio_track_mcp.track.transports.aiohttp_backend  # noqa: F401 - loaded now, and not while the first request waits for it
from customerio_track_mcp.cli.output import say
from customerio_track_mcp.cli.upstream import Workspace, workspace
from customerio_track_mcp.http.app import PATH, hosts_answered, in_url
from customerio_track_mcp.http.auth.authenticator import Access
from customerio_track_mcp.http.server import SECONDS_TO_ANSWER
from customerio_track_mcp.http.service import Service
from customerio_track_mcp.http.supervisor import Workers, signals_of_supervisor, tell_supervisor
from customerio_track_mcp.instrumentation.metrics import DIRECTORY_VARIABLE
from customerio_track_mcp.settings.http import HttpSettings
from customerio_track_mcp.track import is_loopback

logger = logging.getLogger("customerio_track_mcp.http")


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
    """
    access = Access(settings)
    async with workspace(options) as where:
        service = Service(
            settings=where.settings,
            http_settings=settings,
            access=access,
            base_url=where.base_url,
            host=options.host,
            note=where.note,
            processes=options.workers,
        )
        gc.freeze()  # see `__main__`
        if options.descriptor is not None:
            with socket.socket(fileno=options.descriptor) as listener:
                await service.run(listener, tell_supervisor, signals_of_supervisor)
            return 0
        family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
        try:
            listener = socket.create_server((options.host, options.port), family=family, backlog=1024)
        except OSError as error:
            say(f"can't listen there: {error.strerror or error}")
            return 1
        with listener:
            tell = _teller(options, settings, where, listener.getsockname()[1])
            if options.workers > 1:
                return await _supervise(options, settings, where, listener, tell)
            await service.run(listener, tell)
            return 0


async def _supervise(
    options: argparse.Namespace,
    settings: HttpSettings,
    where: Workspace,
    listener: socket.socket,
    ready: Callable[[], None],
) -> int:
    # -P: no module is to be taken from the folder in which this happens to be started.
    command = [sys.executable, "-P", "-m", "customerio_track_mcp", "http", "--host", options.host]
    command += ["--workers", str(options.workers), "--descriptor", str(listener.fileno())]
    if options.allow_unauthenticated:
        command.append("--allow-unauthenticated")
    if options.sandbox:
        command += ["--sandbox-url", where.base_url]
    with TemporaryDirectory(prefix="customerio-track-mcp-") as counts:
        environment = dict(os.environ) | {DIRECTORY_VARIABLE: counts}

        def ended(process_id: int) -> None:
            # What a worker had at work when it died is at work no more.
            if Path(counts).is_dir():
                mark_process_dead(process_id, counts)  # type: ignore[no-untyped-call]

        workers = Workers(
            command,
            options.workers,
            environment,
            listener,
            seconds_to_drain=settings.drain_delay,
            seconds_to_end=settings.drain_delay + settings.grace_period + 3 * SECONDS_TO_ANSWER,
            ended=ended,
        )
        return await workers.run(ready)


def _teller(options: argparse.Namespace, settings: HttpSettings, where: Workspace, port: int) -> Callable[[], None]:
    url = f"http://{in_url(options.host)}:{port}{PATH}"
    notice = say if where.settings.log_format == "text" else logger.warning

    def tell() -> None:
        notice(f"listening on {url}" + (f" with {options.workers} workers" if options.workers > 1 else ""))
        if not is_loopback(options.host):
            names = ", ".join(sorted(hosts_answered(options.host, settings)))
            notice(f"answers requests that are addressed to: {names} (CUSTOMERIO_HTTP_ALLOWED_HOSTS names more)")
            if not settings.authenticates:
                notice("WARNING: everybody who reaches this port can write to the workspace")

    return tell
