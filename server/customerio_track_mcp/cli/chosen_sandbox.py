"""Which sandbox a server uses: the one that is named, else the one of this version that runs already, else its own."""

from __future__ import annotations

import errno
import os
from contextlib import AsyncExitStack
from functools import partial
from urllib.parse import urlsplit

from customerio_track_mcp import __version__
from customerio_track_mcp.cli.browser import open_in_browser
from customerio_track_mcp.cli.options.stdio import SandboxPageOptions, StdioOptions
from customerio_track_mcp.cli.running_sandbox import running_sandbox
from customerio_track_mcp.cli.sandbox_identity import (
    NoSandboxError,
    require_sandbox_of_this_version,
    sandbox_version_when_started,
)
from customerio_track_mcp.cli.sandbox_takeover import taking_over
from customerio_track_mcp.cli.sandbox_upstream import LOOPBACK, local_sandbox_url, upstream_of_sandbox
from customerio_track_mcp.cli.startup_lines import startup_notifier
from customerio_track_mcp.settings.errors import SettingsError
from customerio_track_mcp.settings.server import Settings
from customerio_track_mcp.track import is_loopback
from customerio_track_mcp.upstream import Upstream


async def open_sandbox(options: StdioOptions, settings: Settings, stack: AsyncExitStack) -> Upstream:
    """Return the sandbox that `options` name, else the one that runs already, else one that runs until `stack` ends.

    Raises:
        SettingsError: the named one does not answer, or the port or the data file cannot be used.
        OSError: a sandbox cannot listen on any port.
    """
    if isinstance(options.sandbox, str):
        await _require_named(options, options.sandbox, settings)
        return upstream_of_sandbox(settings, options.sandbox)
    notify, port = startup_notifier(settings), settings.sandbox_port
    reason = f"port {port} is in use, and --data needs a sandbox of its own"
    for _ in range(2):  # another server may start one between the look and the attempt to listen
        if options.data is None and port:
            try:
                return await _find(options, settings, stack)
            except NoSandboxError as error:
                reason = str(error)
        try:
            sandbox = await stack.enter_async_context(running_sandbox(options, LOOPBACK, port))
            break
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                cause = os.strerror(error.errno) if error.errno else error
                problem = f"CUSTOMERIO_SANDBOX_PORT: cannot listen on port {port}: {cause}; set another port"
                raise SettingsError([problem]) from None
    else:
        notify(f"{reason}: this server starts its own on another port")
        sandbox = await stack.enter_async_context(running_sandbox(options, LOOPBACK, 0))
    return upstream_of_sandbox(settings, sandbox.url, sandbox.record_call)


async def _require_named(options: StdioOptions, url: str, settings: Settings) -> None:
    notify = startup_notifier(settings)
    if options.data is not None:
        raise SettingsError(["--data needs a sandbox of its own: leave it out, or the URL of the sandbox"])
    try:
        version = await sandbox_version_when_started(url)
    except NoSandboxError as error:
        advice = f"{error.advice}, or " if error.advice else ""
        raise SettingsError([f"{error}; {advice}correct the URL in --sandbox or CUSTOMERIO_SANDBOX"]) from None
    notify(f"using the sandbox Track API at {url} (no real data); open it in a browser to watch")
    if version != __version__:
        notify(f"WARNING: that sandbox is of version {version}, and this server of {__version__}")
    if not is_loopback(urlsplit(url).hostname or ""):
        notify(f"WARNING: all data of calls goes to {url}, which is not on this machine: use made-up data only")
    if options.open:
        open_in_browser(url)


async def _find(options: StdioOptions, settings: Settings, stack: AsyncExitStack) -> Upstream:
    """Return the sandbox that runs already; if it stops before `stack` ends, one is started in its place.

    Raises:
        NoSandboxError: there is none of this version.
    """
    port = settings.sandbox_port
    url = local_sandbox_url(port)
    await require_sandbox_of_this_version(url)
    notify = startup_notifier(settings)
    notify(f"using the sandbox Track API at {url}, which runs already (no real data); open it in a browser to watch")
    if options.open:
        open_in_browser(url)

    def report_takeover() -> None:
        notify("that is the port of the sandbox that was used before and has stopped, with everything it contained")

    start = partial(running_sandbox, SandboxPageOptions(), LOOPBACK, port)
    await stack.enter_async_context(taking_over(LOOPBACK, port, start, report_takeover))
    return upstream_of_sandbox(settings, url)
