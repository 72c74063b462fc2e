"""Where a server's calls go: the workspace that the environment names, or a sandbox."""

from __future__ import annotations

import argparse
import errno
import logging
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from customerio_track_mcp.cli.output import say
from customerio_track_mcp.instrumentation.logs import configure_logging
from customerio_track_mcp.settings.base import BadSettingsError
from customerio_track_mcp.settings.server import Settings

if TYPE_CHECKING:
    from customerio_track_mcp.sandbox import RunningSandbox

logger = logging.getLogger("customerio_track_mcp.startup")

SANDBOX_PORT: Final = 8765


@dataclass(frozen=True, slots=True)
class Workspace:
    """Where calls go.

    Attributes:
        settings: the credentials, and how patiently to deal with it.
        base_url: its Track API.
        note: what the model should know of it.
    """

    settings: Settings
    base_url: str
    note: str = ""


@asynccontextmanager
async def workspace(options: argparse.Namespace) -> AsyncIterator[Workspace]:
    """The workspace for the server that `options` ask for; a sandbox of its own lives as long as the context.

    Raises:
        BadSettingsError: a setting can't be used.
        OSError: a sandbox has no port to listen on.
    """
    async with AsyncExitStack() as stack:
        url: str | None = getattr(options, "sandbox_url", None)
        if url is None and options.sandbox:
            url = (await stack.enter_async_context(_own_sandbox(options))).url
        opened = _sandbox_at(url) if url else _of_environment()
        configure_logging(opened.settings.log_level, opened.settings.log_format)
        if opened.settings.credentials is None and getattr(options, "descriptor", None) is None:
            notice = say if opened.settings.log_format == "text" else logger.warning
            notice("CUSTOMERIO_SITE_ID is not set: every call will be answered with that until it is")
        yield opened


@asynccontextmanager
async def running_sandbox(options: argparse.Namespace, host: str, port: int) -> AsyncIterator[RunningSandbox]:
    """A sandbox, told of and opened in a browser as `options` say.

    Raises:
        BadSettingsError: its data file can't be used.
        OSError: the address can't be listened on.
    """
    from customerio_track_mcp.sandbox import DataFileError, run_sandbox

    async with AsyncExitStack() as stack:
        try:
            sandbox = await stack.enter_async_context(run_sandbox(host=host, port=port, data=options.data))
        except DataFileError as error:
            raise BadSettingsError([f"--data: {error}"]) from None
        _introduce(sandbox, options)
        yield sandbox


def _of_environment() -> Workspace:
    settings = Settings.from_environment()
    return Workspace(settings, settings.base_url)


def _sandbox_at(url: str) -> Workspace:
    from customerio_track_mcp.sandbox import SANDBOX_API_KEY, SANDBOX_SITE_ID

    # Whatever credentials the environment holds are not for the sandbox.
    settings = Settings.from_environment(api_key=SANDBOX_API_KEY, site_id=SANDBOX_SITE_ID, track_url=None)
    return Workspace(settings, url, f"This is a sandbox without real data: what arrives can be watched at {url}")


@asynccontextmanager
async def _own_sandbox(options: argparse.Namespace) -> AsyncIterator[RunningSandbox]:
    """A sandbox on the port where people look for it, or on another where that one is taken."""
    async with AsyncExitStack() as stack:
        try:
            sandbox = await stack.enter_async_context(running_sandbox(options, "127.0.0.1", SANDBOX_PORT))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            sandbox = await stack.enter_async_context(running_sandbox(options, "127.0.0.1", 0))
        yield sandbox


def _introduce(sandbox: RunningSandbox, options: argparse.Namespace) -> None:
    say(f"sandbox Track API at {sandbox.url} (no real data); open it in a browser to watch")
    if options.open:
        # In a process of its own: a browser's words must not get into the protocol on standard output.
        command = [sys.executable, "-m", "webbrowser", sandbox.url]
        nowhere = subprocess.DEVNULL
        subprocess.Popen(command, stdin=nowhere, stdout=nowhere, stderr=nowhere, start_new_session=True)  # noqa: S603
