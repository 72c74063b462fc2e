"""What each command does. A command takes its options and gives its exit status.

A command imports what only it needs when it runs: a host waits for the start of stdio, which needs no HTTP server.
"""

from __future__ import annotations

import argparse
import errno
import os
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import anyio
from mcp.server import Server

from customerio_track_mcp.logs import configure_logging
from customerio_track_mcp.mcp_server import build_server
from customerio_track_mcp.settings import BadSettingsError, Settings
from customerio_track_mcp.signals import stop_signals
from customerio_track_mcp.tools import Tools
from customerio_track_mcp.track import is_loopback

if TYPE_CHECKING:
    from customerio_track_mcp.sandbox import RunningSandbox

SANDBOX_PORT: Final = 8765
BAD_USAGE: Final = 2
"""The exit status for a bad setting or option."""


def say(line: str) -> None:
    """Tell whoever started the command, on standard error."""
    print(f"customerio-track-mcp: {line}", file=sys.stderr, flush=True)  # noqa: T201


def _tell(line: str) -> None:
    try:
        print(line, flush=True)  # noqa: T201
    except BrokenPipeError:
        # Whoever read our output has gone: the rest is told to nobody.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@asynccontextmanager
async def _server(options: argparse.Namespace) -> AsyncIterator[Server[Any]]:
    """The MCP server as the environment sets it, or over a sandbox of its own."""
    async with AsyncExitStack() as stack:
        note = ""
        if options.sandbox:
            from customerio_track_mcp.sandbox import SANDBOX_API_KEY, SANDBOX_SITE_ID

            # Whatever credentials the environment holds are not for the sandbox.
            settings = Settings.from_environment(api_key=SANDBOX_API_KEY, site_id=SANDBOX_SITE_ID, track_url=None)
            sandbox = await stack.enter_async_context(_own_sandbox(options))
            base_url = sandbox.url
            note = f"This is a sandbox without real data: what arrives can be watched at {sandbox.url}"
        else:
            settings = Settings.from_environment()
            base_url = settings.base_url
        configure_logging(settings.log_level)
        if settings.credentials is None:
            say("CUSTOMERIO_SITE_ID is not set: every call will be answered with that until it is")
        client = await stack.enter_async_context(settings.track_client(base_url))
        yield build_server(Tools(client, settings.allow_reserved_keys), note)


def _listening(run: Callable[[], Awaitable[None]]) -> int:
    try:
        anyio.run(run)
    except OSError as error:
        say(f"can't listen there: {error.strerror or error}")
        return 1
    return 0


@asynccontextmanager
async def _run_sandbox(options: argparse.Namespace, host: str, port: int) -> AsyncIterator[RunningSandbox]:
    from customerio_track_mcp.sandbox import DataFileError, run_sandbox

    async with AsyncExitStack() as stack:
        try:
            sandbox = await stack.enter_async_context(run_sandbox(host=host, port=port, data=options.data))
        except DataFileError as error:
            raise BadSettingsError([f"--data: {error}"]) from None
        _introduce(sandbox, options)
        yield sandbox


@asynccontextmanager
async def _own_sandbox(options: argparse.Namespace) -> AsyncIterator[RunningSandbox]:
    """A sandbox on the port where people look for it, or on another where that one is taken."""
    async with AsyncExitStack() as stack:
        try:
            sandbox = await stack.enter_async_context(_run_sandbox(options, "127.0.0.1", SANDBOX_PORT))
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise
            sandbox = await stack.enter_async_context(_run_sandbox(options, "127.0.0.1", 0))
        yield sandbox


def _introduce(sandbox: RunningSandbox, options: argparse.Namespace) -> None:
    say(f"sandbox Track API at {sandbox.url} (no real data); open it in a browser to watch")
    if options.open:
        # In a process of its own: a browser's words must not get into the protocol on standard output.
        command = [sys.executable, "-m", "webbrowser", sandbox.url]
        nowhere = subprocess.DEVNULL
        subprocess.Popen(command, stdin=nowhere, stdout=nowhere, stderr=nowhere, start_new_session=True)  # noqa: S603


def stdio(options: argparse.Namespace) -> int:
    """Serve a host over standard input and output."""
    if sys.stdin is None or sys.stdout is None:
        say("standard input and standard output have to be open")
        return BAD_USAGE
    from customerio_track_mcp.stdio import serve_stdio

    async def run() -> None:
        async with _server(options) as server:
            await serve_stdio(server)

    anyio.run(run)
    return 0


def http(options: argparse.Namespace) -> int:
    """Serve streamable HTTP on loopback."""
    from customerio_track_mcp.http.service import serve_http

    if not is_loopback(options.host):
        say(
            f"--host {options.host} is refused: without authentication this service listens on loopback only "
            "(127.0.0.1, ::1). Put it behind a proxy on this machine that authenticates."
        )
        return BAD_USAGE

    async def run() -> None:
        async with _server(options) as server:
            await serve_http(server, options.host, options.port, lambda url: say(f"listening on {url}"))

    return _listening(run)


def sandbox(options: argparse.Namespace) -> int:
    """Run the sandbox alone."""

    async def run() -> None:
        if not is_loopback(options.host):
            say(f"WARNING: --host {options.host} lets others on the network see and change this sandbox")
        with stop_signals() as next_signal:
            async with _run_sandbox(options, options.host, options.port):
                await next_signal()

    return _listening(run)


def check(options: argparse.Namespace) -> int:
    """Test the credentials."""
    del options
    from customerio_track_mcp.check import check

    settings = Settings.from_environment()
    configure_logging(settings.log_level)
    return anyio.run(partial(check, settings, _tell))


def demo(options: argparse.Namespace) -> int:
    """Show the main job being done."""
    del options
    from customerio_track_mcp.demo import run_demo

    return anyio.run(partial(run_demo, _tell))
