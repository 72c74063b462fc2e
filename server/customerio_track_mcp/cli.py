"""The front door: the command `customerio-track-mcp`.

A command imports what only it needs when it runs: a host waits for the start of stdio, which needs no HTTP server.
"""

from __future__ import annotations

import argparse
import os
import sys
import textwrap
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import anyio
from mcp.server import Server

from customerio_track_mcp import __version__
from customerio_track_mcp.logs import configure_logging
from customerio_track_mcp.mcp_server import build_server
from customerio_track_mcp.settings import BadSettingsError, Settings
from customerio_track_mcp.signals import on_stop_signal
from customerio_track_mcp.tools import Tools
from customerio_track_mcp.track import TrackClient, is_loopback

if TYPE_CHECKING:
    from customerio_track_mcp.sandbox import RunningSandbox

BAD_USAGE: Final = 2
"""The exit status for a bad setting or option."""

_EXAMPLES: Final = """\
examples:
  customerio-track-mcp                    serve a host over standard input and output
  customerio-track-mcp --sandbox          the same against a built-in sandbox; needs no account
  customerio-track-mcp http --port 8000   serve http://127.0.0.1:8000/mcp
  customerio-track-mcp check              test the credentials
  customerio-track-mcp demo               watch the main job being done, in the sandbox
"""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: the words after the command's name; None for those of this process.

    Returns:
        The exit status: 0 for success, 1 for a failed `check` or `demo`, 2 for a bad setting or option.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    if not words or (words[0].startswith("-") and words[0] not in ("-h", "--help", "--version")):
        words.insert(0, "stdio")
    options = _parser().parse_args(words)
    try:
        status: int = options.run(options)
    except BadSettingsError as error:
        for problem in error.problems:
            _say(problem)
        return BAD_USAGE
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="customerio-track-mcp",
        description="MCP server for the Customer.io Track API: customers, events and manual segments.",
        epilog=f"{_EXAMPLES}\n{_settings_help()}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    stdio = commands.add_parser("stdio", help="serve a host over standard input and output (the default)")
    stdio.set_defaults(run=_stdio)
    http = commands.add_parser("http", help="serve streamable HTTP at /mcp, on loopback")
    http.add_argument("--host", default="127.0.0.1", help="a loopback address (default: %(default)s)")
    http.add_argument("--port", type=_port, default=8000, help="0 for any free one (default: %(default)s)")
    http.set_defaults(run=_http)
    for serving in (stdio, http):
        serving.add_argument("--sandbox", action="store_true", help="against a built-in sandbox; needs no account")

    sandbox = commands.add_parser("sandbox", help="run the sandbox Track API alone")
    sandbox.add_argument("--host", default="127.0.0.1", help="(default: %(default)s)")
    sandbox.add_argument("--port", type=_port, default=8765, help="0 for any free one (default: %(default)s)")
    sandbox.set_defaults(run=_sandbox)

    checking = commands.add_parser("check", help="test the credentials; exit status 0 if the tools can be used")
    checking.set_defaults(run=_check)
    demo = commands.add_parser("demo", help="load example customers into the sandbox through the real server")
    demo.set_defaults(run=_demo)
    return parser


def _port(text: str) -> int:
    if text.isdecimal() and int(text) <= 65535:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is no port; allowed are 0 to 65535")


def _settings_help() -> str:
    lines = ["settings (environment variables, a .env file, or secret files in /run/secrets):"]
    for name, field in Settings.model_fields.items():
        default = "required" if field.is_required() else field.default
        shown = ", ".join(sorted(default)) if isinstance(default, frozenset) else default
        suffix = "" if shown in (None, "") else f" [{shown}]"
        lines.append(f"  CUSTOMERIO_{name.upper()}")
        lines += textwrap.wrap(
            f"{field.description}{suffix}", width=78, initial_indent="      ", subsequent_indent="      "
        )
    return "\n".join(lines)


def _say(line: str) -> None:
    print(f"customerio-track-mcp: {line}", file=sys.stderr, flush=True)  # noqa: T201


def _tell(line: str) -> None:
    try:
        print(line, flush=True)  # noqa: T201
    except BrokenPipeError:
        # Whoever read our output has gone: the rest is told to nobody.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@asynccontextmanager
async def _server(*, sandboxed: bool) -> AsyncIterator[Server[Any]]:
    """The MCP server as the environment sets it, or over a sandbox of its own."""
    async with AsyncExitStack() as stack:
        if sandboxed:
            from customerio_track_mcp.sandbox import SANDBOX_API_KEY, SANDBOX_SITE_ID, run_sandbox

            # Whatever credentials the environment holds are not for the sandbox.
            settings = Settings.from_environment(api_key=SANDBOX_API_KEY, site_id=SANDBOX_SITE_ID, track_url=None)
            sandbox = await stack.enter_async_context(run_sandbox())
            _introduce(sandbox)
            base_url = sandbox.url
        else:
            settings = Settings.from_environment()
            base_url = settings.base_url
        configure_logging(settings.log_level)
        if settings.credentials is None:
            _say("CUSTOMERIO_SITE_ID is not set: every call will be answered with that until it is")
        client = await stack.enter_async_context(_track_client(settings, base_url))
        yield build_server(Tools(client, settings.allow_reserved_keys))


def _track_client(settings: Settings, base_url: str) -> TrackClient:
    try:
        return TrackClient(
            settings.credentials, base_url, requests_per_second=settings.rate_limit, patience=settings.patience
        )
    except (ImportError, OSError, ValueError) as error:
        # The proxy and certificate settings of the environment, which httpx reads.
        raise BadSettingsError([f"the HTTP client can't be set up: {error}"]) from None


def _listening(run: Callable[[], Awaitable[None]]) -> int:
    try:
        anyio.run(run)
    except OSError as error:
        _say(f"can't listen there: {error.strerror or error}")
        return 1
    return 0


def _introduce(sandbox: RunningSandbox) -> None:
    _say(f"sandbox Track API at {sandbox.url} (no real data); what it holds: {sandbox.url}/_sandbox/state")


def _stdio(options: argparse.Namespace) -> int:
    if sys.stdin is None or sys.stdout is None:
        _say("standard input and standard output have to be open")
        return BAD_USAGE
    from customerio_track_mcp.stdio import serve_stdio

    async def run() -> None:
        async with _server(sandboxed=options.sandbox) as server:
            await serve_stdio(server)

    anyio.run(run)
    return 0


def _http(options: argparse.Namespace) -> int:
    from customerio_track_mcp.http.service import serve_http

    if not is_loopback(options.host):
        _say(
            f"--host {options.host} is refused: without authentication this service listens on loopback only "
            "(127.0.0.1, ::1). Put it behind a proxy on this machine that authenticates."
        )
        return BAD_USAGE

    async def run() -> None:
        async with _server(sandboxed=options.sandbox) as server:
            await serve_http(server, options.host, options.port, lambda url: _say(f"listening on {url}"))

    return _listening(run)


def _sandbox(options: argparse.Namespace) -> int:
    from customerio_track_mcp.sandbox import run_sandbox

    async def run() -> None:
        async with run_sandbox(host=options.host, port=options.port) as sandbox, anyio.create_task_group() as tasks:
            tasks.start_soon(on_stop_signal, tasks.cancel_scope.cancel)
            _introduce(sandbox)
            await anyio.sleep_forever()

    return _listening(run)


def _check(options: argparse.Namespace) -> int:
    del options
    from customerio_track_mcp.check import check

    settings = Settings.from_environment()
    configure_logging(settings.log_level)
    return anyio.run(partial(check, settings, _tell))


def _demo(options: argparse.Namespace) -> int:
    del options
    from customerio_track_mcp.demo import run_demo

    return anyio.run(partial(run_demo, _tell))
