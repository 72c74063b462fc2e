"""Choose where a server's calls go: the workspace in the settings, or a sandbox."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from typing import TypeVar
from urllib.parse import urlsplit

from customerio_track_mcp.cli.options.stdio import StdioOptions
from customerio_track_mcp.cli.sandbox_upstream import OF_WORKSPACE, overrides, sandbox_settings, upstream_of_sandbox
from customerio_track_mcp.cli.startup_lines import startup_notifier
from customerio_track_mcp.instrumentation.logs import configure_logging
from customerio_track_mcp.settings.errors import SettingsError
from customerio_track_mcp.settings.server import API_CREDENTIALS_PAGE, LogLevel, Settings
from customerio_track_mcp.track import Credentials, is_loopback
from customerio_track_mcp.upstream import Upstream

logger = logging.getLogger("customerio_track_mcp.startup")


_Options = TypeVar("_Options", bound=StdioOptions)


def with_sandbox_setting(options: _Options) -> _Options:
    """Return `options` with the sandbox that the settings ask for: hosts that show a form cannot add an option.

    The option alone leaves it to the settings which sandbox it is. Invalid settings are ignored here. Whoever reads all
    of them next reports them together.
    """
    if isinstance(options.sandbox, str):
        return options
    try:
        settings = Settings.from_environment(**OF_WORKSPACE)
    except SettingsError:
        return options
    return replace(options, sandbox=settings.sandbox or options.sandbox)


@asynccontextmanager
async def open_upstream(options: StdioOptions, default_log_level: LogLevel) -> AsyncIterator[Upstream]:
    """Find the upstream for the server that `options` ask for, and set up logging for it.

    An embedded sandbox runs until the block ends.

    Args:
        options: which upstream to find.
        default_log_level: the log level if it is not set.

    Raises:
        SettingsError: a setting is invalid, or no sandbox answers at the URL that is named.
        OSError: the sandbox cannot listen on any port.
    """
    async with AsyncExitStack() as stack:
        is_dry_run = options.dry_run
        upstream = None if options.sandbox else settings_upstream(dry_run=is_dry_run)
        settings = sandbox_settings(dry_run=is_dry_run) if upstream is None else upstream.settings
        logging_settings = settings.with_defaults(log_level=default_log_level)
        configure_logging(logging_settings.log_level, logging_settings.log_format)
        if upstream is None:
            from customerio_track_mcp.cli.chosen_sandbox import open_sandbox

            upstream = await open_sandbox(options, settings, stack)
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
    """Return the workspace that the settings name, which may be a sandbox on this machine.

    Args:
        dry_run: whether nothing is sent, whatever the settings say.

    Raises:
        SettingsError: a setting is invalid.
    """
    settings = Settings.from_environment(**overrides(dry_run=dry_run))
    if _is_sandbox(settings):
        return upstream_of_sandbox(settings, settings.base_url)
    return Upstream(settings, settings.base_url)


def _is_sandbox(settings: Settings) -> bool:
    if not is_loopback(urlsplit(settings.base_url).hostname or ""):
        return False
    from customerio_track_mcp.sandbox import SANDBOX_API_KEY, SANDBOX_SITE_ID

    return settings.credentials == Credentials(SANDBOX_SITE_ID, SANDBOX_API_KEY)
