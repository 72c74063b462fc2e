"""Choose where a server's calls go: the workspace in the settings, or an embedded sandbox."""

from __future__ import annotations

import errno
import logging
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from customerio_track_mcp.cli.options import SandboxPageOptions, StdioOptions
from customerio_track_mcp.cli.output import print_status
from customerio_track_mcp.instrumentation.logs import configure_logging
from customerio_track_mcp.settings.base import SettingsError
from customerio_track_mcp.settings.server import API_CREDENTIALS_PAGE, LogLevel, Settings
from customerio_track_mcp.track import Region
from customerio_track_mcp.upstream import Upstream

if TYPE_CHECKING:
    from customerio_track_mcp.sandbox import RunningSandbox

logger = logging.getLogger("customerio_track_mcp.startup")

SANDBOX_PORT: Final = 8765
_LOOPBACK: Final = "127.0.0.1"
_SETTINGS_PREFIXES: Final = ("CUSTOMERIO_", "OTEL_")
"""OpenTelemetry's variables may contain the headers that authenticate its exporter."""

_OF_WORKSPACE: Final = {"api_key": None, "site_id": None, "key_store": None, "track_url": None, "region": Region.US}
"""Instead of the environment's settings that are not for the sandbox, so that they need not be valid."""

_Options = TypeVar("_Options", bound=StdioOptions)


def with_sandbox_setting(options: _Options) -> _Options:
    """Return `options` with `sandbox` if the settings ask for it: hosts that show a form cannot add an option.

    Invalid settings are ignored here. Whoever reads all of them next reports them together.
    """
    if options.sandbox:
        return options
    try:
        settings = Settings.from_environment(**_OF_WORKSPACE)
    except SettingsError:
        return options
    return replace(options, sandbox=settings.sandbox)


@asynccontextmanager
async def open_upstream(options: StdioOptions, default_log_level: LogLevel) -> AsyncIterator[Upstream]:
    """Find the upstream for the server that `options` ask for, and set up logging for it.

    An embedded sandbox runs until the block ends.

    Args:
        options: which upstream to find.
        default_log_level: the log level if it is not set.

    Raises:
        SettingsError: a setting is invalid.
        OSError: the sandbox cannot listen.
    """
    async with AsyncExitStack() as stack:
        if options.sandbox:
            upstream = sandbox_upstream(
                (await stack.enter_async_context(_embedded_sandbox(options))).url, dry_run=options.dry_run
            )
        else:
            upstream = settings_upstream(dry_run=options.dry_run)
        settings = upstream.settings.with_defaults(log_level=default_log_level)
        configure_logging(settings.log_level, settings.log_format)
        _report(settings)
        yield upstream


def _report(settings: Settings) -> None:
    """Print why calls will not reach a workspace."""
    missing = settings.missing_credentials
    if settings.dry_run:
        notify = startup_notifier(settings)
        notify("dry run: nothing is sent")
        if missing:
            notify(f"{missing}; a dry run needs no credentials, but a server that sends does")
    elif missing:
        # An error, so that it is shown at every log level.
        notify = startup_notifier(settings, logger.error)
        notify(f"{missing}; every call fails until that is done ({API_CREDENTIALS_PAGE}; no account? try --sandbox)")


def settings_upstream(*, dry_run: bool = False) -> Upstream:
    """Return the workspace that the settings name.

    Args:
        dry_run: whether nothing is sent, whatever the settings say.

    Raises:
        SettingsError: a setting is invalid.
    """
    settings = Settings.from_environment(**_overrides(dry_run=dry_run))
    return Upstream(settings, settings.base_url)


def sandbox_upstream(url: str, *, dry_run: bool = False) -> Upstream:
    """Return the sandbox at `url`, with the sandbox's own credentials.

    Args:
        url: the sandbox's base URL.
        dry_run: whether nothing is sent, whatever the settings say.

    Raises:
        SettingsError: a setting is invalid.
    """
    from customerio_track_mcp.sandbox import SANDBOX_API_KEY, SANDBOX_SITE_ID

    credentials = {"api_key": SANDBOX_API_KEY, "site_id": SANDBOX_SITE_ID}
    settings = Settings.from_environment(**_OF_WORKSPACE | credentials | _overrides(dry_run=dry_run))
    return Upstream(settings, url, f"This is a sandbox without real data: watch what arrives at {url}")


def _overrides(*, dry_run: bool) -> dict[str, bool]:
    # Only to switch it on: without the option, the settings decide.
    return {"dry_run": True} if dry_run else {}


def startup_notifier(settings: Settings, log: Callable[[str], None] = logger.warning) -> Callable[[str], None]:
    """Return how startup lines are written: printed for people, or passed to `log` if logs are JSON."""
    return print_status if settings.log_format == "text" else log


@asynccontextmanager
async def running_sandbox(options: SandboxPageOptions, host: str, port: int) -> AsyncIterator[RunningSandbox]:
    """Run a sandbox until the block ends; print its URL, and open its page if `options` say so.

    Raises:
        SettingsError: its data file cannot be used.
        OSError: the address cannot be listened on.
    """
    from customerio_track_mcp.sandbox import DataFileError, run_sandbox

    async with AsyncExitStack() as stack:
        try:
            sandbox = await stack.enter_async_context(run_sandbox(host=host, port=port, data=options.data))
        except DataFileError as error:
            raise SettingsError([f"--data: {error}"]) from None
        print_status(f"sandbox Track API at {sandbox.url} (no real data); open it in a browser to watch")
        if options.open:
            _open_in_browser(sandbox.url)
        yield sandbox


@asynccontextmanager
async def _embedded_sandbox(options: SandboxPageOptions) -> AsyncIterator[RunningSandbox]:
    """Run a sandbox on its usual port, or on any free port if that is in use."""
    async with AsyncExitStack() as stack:
        try:
            sandbox = await stack.enter_async_context(running_sandbox(options, _LOOPBACK, SANDBOX_PORT))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            sandbox = await stack.enter_async_context(running_sandbox(options, _LOOPBACK, 0))
        yield sandbox


def _open_in_browser(url: str) -> None:
    # In its own process: what a browser prints must not reach stdout, which carries the protocol.
    # -I: import nothing from the working directory or PYTHONPATH. `cwd`: a relative entry of PATH must not lead there.
    command = [sys.executable, "-I", "-m", "webbrowser", url]
    root = Path(sys.executable).anchor or None
    null = subprocess.DEVNULL
    subprocess.Popen(  # noqa: S603
        command,
        stdin=null,
        stdout=null,
        stderr=null,
        cwd=root,
        env=environment_without_settings(),
        start_new_session=True,
    )


def environment_without_settings() -> dict[str, str]:
    """Return the environment without the settings of this server, which include keys and tokens.

    Everything that another program starts, such as the helpers of a browser's extensions, could read them.
    """
    return {name: value for name, value in os.environ.items() if not name.upper().startswith(_SETTINGS_PREFIXES)}
