"""What each command does. A command takes its options and gives its exit status.

A command imports what only it needs when it runs: a host waits for the start of stdio, which needs no HTTP server.
"""

from __future__ import annotations

import argparse
import gc
import sys
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial
from typing import Final

import anyio

from customerio_track_mcp.cli.output import say, tell
from customerio_track_mcp.cli.upstream import running_sandbox, workspace
from customerio_track_mcp.instrumentation.logs import call_log, configure_logging
from customerio_track_mcp.instrumentation.traces import Traced, tracing
from customerio_track_mcp.mcp_server import build_server
from customerio_track_mcp.runtime import rate_budget
from customerio_track_mcp.settings.server import Settings
from customerio_track_mcp.signals import stop_signals
from customerio_track_mcp.tools.handlers import Tools
from customerio_track_mcp.track import Observer, is_loopback

BAD_USAGE: Final = 2
"""The exit status for a bad setting or option."""


def stdio(options: argparse.Namespace) -> int:
    """Serve a host over standard input and output."""
    if sys.stdin is None or sys.stdout is None:
        say("standard input and standard output have to be open")
        return BAD_USAGE
    from customerio_track_mcp.stdio.transport import serve_stdio

    async def run() -> None:
        async with workspace(options) as where, AsyncExitStack() as stack:
            budget = await stack.enter_async_context(rate_budget(where.settings, where.base_url))
            observer = Traced(Observer()) if stack.enter_context(tracing()) else None
            client = where.settings.track_client(where.base_url, budget=budget, observer=observer)
            await stack.enter_async_context(client)
            tools = Tools(client, where.settings.allow_reserved_keys)
            gc.freeze()  # see `__main__`
            await serve_stdio(build_server(tools, where.note, on_call=call_log(where.settings.hash_key)))

    anyio.run(run)
    return 0


def http(options: argparse.Namespace) -> int:
    """Serve streamable HTTP."""
    from customerio_track_mcp.cli.http import forbidden, serve_http
    from customerio_track_mcp.settings.http import HttpSettings

    settings = HttpSettings.from_environment()
    if why := forbidden(options, settings):
        say(why)
        return BAD_USAGE
    return _run(partial(serve_http, options, settings), "can't be started")


def sandbox(options: argparse.Namespace) -> int:
    """Run the sandbox alone."""

    async def run() -> int:
        if not is_loopback(options.host):
            say(f"WARNING: --host {options.host} lets others on the network see and change this sandbox")
        with stop_signals() as next_signal:
            async with running_sandbox(options, options.host, options.port):
                await next_signal()
        return 0

    return _run(run, "can't listen there")


def check(options: argparse.Namespace) -> int:
    """Test the credentials."""
    del options
    from customerio_track_mcp.cli.check import check

    settings = Settings.from_environment()
    configure_logging(settings.log_level, settings.log_format)
    return anyio.run(partial(check, settings, tell))


def demo(options: argparse.Namespace) -> int:
    """Show the main job being done."""
    del options
    from customerio_track_mcp.demo import run_demo

    return anyio.run(partial(run_demo, tell))


def token(options: argparse.Namespace) -> int:
    """Make a bearer token for a caller of the HTTP service."""
    from customerio_track_mcp.http.auth.static_tokens import new_token

    secret, hashed = new_token()
    tell(f"Give this token to {options.name}; it is shown this once:\n\n    {secret}\n")
    tell(f"Put this line into the file of CUSTOMERIO_HTTP_TOKENS_FILE:\n\n    {options.name} {hashed}")
    return 0


def _run(run: Callable[[], Awaitable[int]], otherwise: str) -> int:
    try:
        return anyio.run(run)
    except OSError as error:
        say(f"{otherwise}: {error.strerror or error}")
        return 1
