"""The front door: the words of the command `customerio-track-mcp`."""

from __future__ import annotations

import argparse
import sys
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from pydantic import SecretStr

from customerio_track_mcp import __version__
from customerio_track_mcp.cli import commands
from customerio_track_mcp.cli.output import say
from customerio_track_mcp.cli.upstream import SANDBOX_PORT
from customerio_track_mcp.settings.base import BadSettingsError, EnvironmentSettings
from customerio_track_mcp.settings.http import CALLER_NAME, HttpSettings
from customerio_track_mcp.settings.server import Settings

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
    parser = _parser()
    options = parser.parse_args(words)
    if not getattr(options, "sandbox", True) and (options.data or options.open):
        parser.error("--data and --open go with --sandbox")
    try:
        status: int = options.run(options)
    except BadSettingsError as error:
        for problem in error.problems:
            say(problem)
        return commands.BAD_USAGE
    return status


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="customerio-track-mcp",
        description="MCP server for the Customer.io Track API: customers, events and manual segments.",
        epilog=f"{_EXAMPLES}\n{_settings_help()}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    subcommands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)

    stdio = subcommands.add_parser("stdio", help="serve a host over standard input and output (the default)")
    stdio.set_defaults(run=commands.stdio)
    http = subcommands.add_parser("http", help="serve streamable HTTP at /mcp")
    http.add_argument("--host", default="127.0.0.1", help="the address to listen on (default: %(default)s)")
    http.add_argument("--port", type=_port, default=8000, help="0 for any free one (default: %(default)s)")
    http.add_argument("--workers", type=_workers, default=1, help="processes behind the port (default: %(default)s)")
    http.add_argument(
        "--allow-unauthenticated", action="store_true", help="listen beyond loopback although nobody is asked who it is"
    )
    # What a worker is told by the process that starts it.
    http.add_argument("--descriptor", type=int, help=argparse.SUPPRESS)
    http.add_argument("--sandbox-url", help=argparse.SUPPRESS)
    http.set_defaults(run=commands.http)
    for serving in (stdio, http):
        serving.add_argument("--sandbox", action="store_true", help="against a built-in sandbox; needs no account")

    sandbox = subcommands.add_parser("sandbox", help="run the sandbox Track API alone, with a page to watch it")
    sandbox.add_argument("--host", default="127.0.0.1", help="the address to listen on (default: %(default)s)")
    sandbox.add_argument("--port", type=_port, default=SANDBOX_PORT, help="0 for any free one (default: %(default)s)")
    sandbox.set_defaults(run=commands.sandbox)
    for sandboxed in (stdio, http, sandbox):
        sandboxed.add_argument(
            "--data", type=Path, metavar="FILE", help="keep the sandbox's state in this file (default: in memory)"
        )
        sandboxed.add_argument("--open", action="store_true", help="open the sandbox's page in the browser")

    checking = subcommands.add_parser("check", help="test the credentials; exit status 0 if the tools can be used")
    checking.set_defaults(run=commands.check)
    token = subcommands.add_parser("token", help="make a bearer token for a caller of the HTTP service")
    token.add_argument("name", type=_name, metavar="NAME", help="who is to hold it: letters, digits, '.', '_', '-'")
    token.set_defaults(run=commands.token)
    demo = subcommands.add_parser("demo", help="load example customers into the sandbox through the real server")
    demo.set_defaults(run=commands.demo)
    return parser


def _port(text: str) -> int:
    if text.isdecimal() and int(text) <= 65535:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is no port; allowed are 0 to 65535")


def _workers(text: str) -> int:
    if text.isdecimal() and 1 <= int(text) <= 64:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is no number of workers; allowed are 1 to 64")


def _name(text: str) -> str:
    if CALLER_NAME.fullmatch(text):
        return text
    raise argparse.ArgumentTypeError(f"{text!r} is no name; allowed are letters, digits, '.', '_' and '-'")


def _settings_help() -> str:
    lines = ["settings (environment variables, a .env file, or secret files in /run/secrets):"]
    lines += [*_fields_help(Settings), "settings of the HTTP service:", *_fields_help(HttpSettings)]
    return "\n".join(lines)


def _fields_help(settings: type[EnvironmentSettings]) -> Iterator[str]:
    for name, field in settings.model_fields.items():
        default = "required" if field.is_required() else field.default
        if isinstance(default, SecretStr):
            default = default.get_secret_value()
        shown = ", ".join(sorted(default)) if isinstance(default, frozenset) else default
        suffix = "" if shown in (None, "") else f" [{shown}]"
        yield f"  {settings.variable(name)}"
        yield from textwrap.wrap(
            f"{field.description}{suffix}", width=78, initial_indent="      ", subsequent_indent="      "
        )
