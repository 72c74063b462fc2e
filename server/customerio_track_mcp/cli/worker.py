"""One of several worker processes of `http`, started by the supervisor and by nobody else.

    python -m customerio_track_mcp.cli.worker OPTIONS

`OPTIONS` is a `WorkerOptions` as JSON. Everything else comes from the environment, as in the supervisor.
"""

from __future__ import annotations

import json
import signal
import socket
import sys
from functools import partial

from customerio_track_mcp.cli.options.http import WorkerOptions
from customerio_track_mcp.instrumentation.stderr import protect_stderr
from customerio_track_mcp.module_loading import loading


def main(argument: str) -> int:
    """Serve until the supervisor stops it.

    Args:
        argument: a `WorkerOptions` as JSON.

    Returns:
        The exit status: 0 for success, 2 for an invalid setting.
    """
    # They are for the supervisor, even if they are sent to every process of the service.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_IGN)
    protect_stderr()
    with loading():
        import anyio

        from customerio_track_mcp.cli.commands import run_reporting_settings_errors

    def run() -> int:
        anyio.run(_serve, WorkerOptions(**json.loads(argument)))
        return 0

    return run_reporting_settings_errors(run)


async def _serve(options: WorkerOptions) -> None:
    from customerio_track_mcp.cli.http import run_service
    from customerio_track_mcp.cli.sandbox_upstream import sandbox_upstream
    from customerio_track_mcp.cli.upstream import settings_upstream
    from customerio_track_mcp.http.auth.authenticator import Authenticator
    from customerio_track_mcp.http.service import Service
    from customerio_track_mcp.http.supervisor import notify_supervisor, signals_from_supervisor
    from customerio_track_mcp.instrumentation.logs import configure_logging
    from customerio_track_mcp.settings.http import HttpSettings

    http_settings = HttpSettings.from_environment()
    authenticator = Authenticator(http_settings)
    dry_run = options.dry_run
    if options.sandbox_url:
        upstream = sandbox_upstream(options.sandbox_url, dry_run=dry_run)
    else:
        upstream = settings_upstream(dry_run=dry_run)
    configure_logging(upstream.settings.log_level, upstream.settings.log_format)
    service = Service(upstream, http_settings, authenticator, options.host, processes=options.workers)
    with socket.socket(fileno=options.descriptor) as listener:
        on_ready = partial(notify_supervisor, http_settings.worker_timeout)
        await run_service(service, listener, on_ready, signals_from_supervisor)


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1]))
