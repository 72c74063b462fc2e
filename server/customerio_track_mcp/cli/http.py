"""The command `http`: refuse to be open to others, then run one process or several."""

from __future__ import annotations

import gc
import json
import logging
import os
import socket
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import asdict
from urllib.parse import urlsplit

from prometheus_client.multiprocess import mark_process_dead

from customerio_track_mcp import __version__
from customerio_track_mcp.cli.options.http import HttpOptions, WorkerOptions
from customerio_track_mcp.cli.output import print_status
from customerio_track_mcp.cli.startup_lines import startup_notifier
from customerio_track_mcp.cli.upstream import open_upstream
from customerio_track_mcp.control.quotas.shares import share_warnings
from customerio_track_mcp.control.summary import control_names
from customerio_track_mcp.http.auth.authenticator import Authenticator
from customerio_track_mcp.http.exposure import exposed_by
from customerio_track_mcp.http.hostnames import accepted_hostnames, bracketed
from customerio_track_mcp.http.server import QUEUED_CONNECTIONS, SECONDS_TO_RESPOND
from customerio_track_mcp.http.service import Service
from customerio_track_mcp.http.supervisor import Supervisor
from customerio_track_mcp.instrumentation.metrics import DIRECTORY_VARIABLE
from customerio_track_mcp.instrumentation.metrics_directory import open_metrics_directory
from customerio_track_mcp.instrumentation.write_log import require_write_log
from customerio_track_mcp.runtime import create_client
from customerio_track_mcp.settings.errors import SettingsError
from customerio_track_mcp.settings.http import HttpSettings
from customerio_track_mcp.settings.http_path import without_final_slash
from customerio_track_mcp.signals import signals
from customerio_track_mcp.track import is_loopback, preload
from customerio_track_mcp.upstream import Upstream

logger = logging.getLogger("customerio_track_mcp.startup")


def require_authentication(options: HttpOptions, settings: HttpSettings) -> None:
    """Check that callers must authenticate if the service is for more than this machine.

    Raises:
        SettingsError: they need not, and the options do not allow that.
    """
    exposed = exposed_by(options.host, settings)
    if not exposed or settings.requires_authentication or options.allow_unauthenticated:
        return
    are = "is" if len(exposed) == 1 else "are"
    raise SettingsError(
        [
            f"{' and '.join(exposed)} {are} refused: without authentication the service is for this machine only "
            "(127.0.0.1, ::1, localhost). Set CUSTOMERIO_HTTP_TOKENS or CUSTOMERIO_HTTP_TOKENS_FILE "
            "('customerio-track-mcp token NAME' creates a token), or CUSTOMERIO_HTTP_ISSUER for OAuth; or pass "
            "--allow-unauthenticated, which lets everybody who can reach the service write to the workspace."
        ]
    )


async def serve_http(options: HttpOptions, settings: HttpSettings) -> int:
    """Serve until a signal stops it.

    Returns:
        The exit status.

    Raises:
        SettingsError: a setting cannot be used.
    """
    authenticator = Authenticator(settings)
    async with open_upstream(options, default_log_level="INFO") as upstream:
        family = socket.AF_INET6 if ":" in options.host else socket.AF_INET
        try:
            listener = socket.create_server((options.host, options.port), family=family, backlog=QUEUED_CONNECTIONS)
        except OSError as error:
            # `strerror` repeats the address in Python's notation.
            reason = os.strerror(error.errno) if error.errno else error
            print_status(f"cannot listen on {options.host} port {options.port}: {reason}")
            return 1
        with listener:
            on_ready = _startup_lines(options, settings, upstream, listener.getsockname()[1])
            status = 0
            if options.workers > 1:
                status = await _supervise(options, settings, upstream, listener, on_ready)
            else:
                await run_service(Service(upstream, settings, authenticator, options.host), listener, on_ready)
            logger.info("service ended", extra={"status": status})
            return status


async def run_service(
    service: Service,
    listener: socket.socket,
    on_ready: Callable[[], None],
    signals: Callable[[], AsyncIterator[None]] = signals,
) -> None:
    """Run the service in this process until a signal stops it; see `Service.run`."""
    # Now rather than while the first request waits for it.
    preload()
    gc.freeze()  # see `module_loading`
    await service.run(listener, on_ready, signals)


async def _supervise(
    options: HttpOptions,
    settings: HttpSettings,
    upstream: Upstream,
    listener: socket.socket,
    on_ready: Callable[[], None],
) -> int:
    async with create_client(upstream.settings, upstream.base_url):
        pass  # proxy and certificate variables that cannot be used are reported once, not by every worker
    if (write_log := upstream.settings.write_log) is not None:
        require_write_log(write_log)
    worker = WorkerOptions(
        host=options.host,
        workers=options.workers,
        descriptor=listener.fileno(),
        sandbox_url=upstream.base_url if options.sandbox else None,
        dry_run=options.dry_run,
    )
    # -P: import no module from the folder in which this happens to be started.
    command = [sys.executable, "-P", "-m", "customerio_track_mcp.cli.worker", json.dumps(asdict(worker))]
    with open_metrics_directory() as metrics_directory:
        environment = dict(os.environ) | {DIRECTORY_VARIABLE: str(metrics_directory)}

        def on_exit(process_id: int) -> None:
            # The calls in flight of a worker that died are no longer in flight.
            with suppress(OSError):
                mark_process_dead(process_id, str(metrics_directory))  # type: ignore[no-untyped-call]

        supervisor = Supervisor(
            command,
            options.workers,
            environment,
            listener,
            drain_seconds=settings.drain_delay,
            stop_seconds=settings.drain_delay + settings.grace_period + 3 * SECONDS_TO_RESPOND,
            worker_timeout=settings.worker_timeout,
            on_exit=on_exit,
        )
        return await supervisor.run(on_ready)


def _startup_lines(options: HttpOptions, settings: HttpSettings, upstream: Upstream, port: int) -> Callable[[], None]:
    url = f"http://{bracketed(options.host)}:{port}{settings.path}"
    notify = startup_notifier(upstream.settings)
    controls = control_names(upstream.settings)
    warnings = share_warnings(upstream.settings, options.workers)  # here, so that workers need not report a problem

    def print_lines() -> None:
        fields = {
            "version": __version__,
            "transport": "http",
            "authentication": settings.authentication,
            "workers": options.workers,
            "region": str(upstream.settings.region),
            "sandbox": upstream.is_sandbox,
            "dry_run": upstream.settings.dry_run,
            "controls": ", ".join(controls),
        }
        logger.info("service started", extra=fields)
        notify(f"listening on {url}" + (f" with {options.workers} workers" if options.workers > 1 else ""))
        if controls:
            notify(f"controls: {', '.join(controls)} ('customerio-track-mcp check' shows their values)")
        if public_path := _other_public_path(settings):
            notify(
                f"WARNING: CUSTOMERIO_HTTP_PUBLIC_URL has the path {public_path}, but CUSTOMERIO_HTTP_PATH is "
                f"{settings.path}; set them to the same path, unless the proxy changes it"
            )
        if not is_loopback(options.host):
            names = ", ".join(sorted(accepted_hostnames(options.host, settings)))
            notify(f"accepts requests for these hostnames: {names} (add more with CUSTOMERIO_HTTP_ALLOWED_HOSTS)")
        if exposed_by(options.host, settings) and not settings.requires_authentication:
            notify("WARNING: everybody who can reach this port can write to the workspace")
        for warning in warnings:
            notify(warning)

    return print_lines


def _other_public_path(settings: HttpSettings) -> str:
    """Return the path of the public URL if it is not the one at which MCP is served; else an empty string."""
    path = without_final_slash(urlsplit(settings.public_url or "").path)
    return path if settings.public_url and path != settings.path else ""
