"""The command line: commands, their arguments, and what `--help` says.

Nothing here imports what a command needs to run, and each command adds its arguments only when it is chosen.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, Final

from customerio_track_mcp.cli import commands
from customerio_track_mcp.cli.argument_types import (
    HOST_NAMES,
    read_entry_name,
    read_host,
    read_hostname,
    read_name,
    read_port,
    read_sandbox,
    read_scopes,
    read_since,
    read_timeout,
    read_variable,
    read_workers,
)
from customerio_track_mcp.cli.command_parser import CommandParser
from customerio_track_mcp.cli.output import print_result
from customerio_track_mcp.settings.sandbox_port import SANDBOX_PORT

ENV_FILE_OPTION: Final = "--env-file"
_TIMEOUT_SECONDS: Final = 300
_HOSTS_HELP: Final = f"one of {', '.join(HOST_NAMES)}"
_SANDBOX_HELP: Final = "use the sandbox: the one at URL, the running one, or an embedded one; no account needed"
_CHECK_SANDBOX_HELP: Final = "check the running sandbox, or the one at URL, instead of the workspace"
_SETTINGS_HELP: Final = Path(__file__).with_name("settings_help.txt")
"""Written by `python -m publish.settings_help`: to make it from the settings imports pydantic and more."""
_EXAMPLES: Final = """\
examples:
  customerio-track-mcp                    serve a host over stdio
  customerio-track-mcp --sandbox          the same with the sandbox; no account needed
  customerio-track-mcp http --port 8000   serve http://127.0.0.1:8000/mcp
  customerio-track-mcp check              test the credentials
  customerio-track-mcp install cursor     add this server to a host (--list shows the hosts)
  customerio-track-mcp demo               load example data into a sandbox through the real server
  customerio-track-mcp rehearse --agent "my-agent {config} {prompt}"
                                          score what an agent does in sandboxes
"""


def create_parser() -> argparse.ArgumentParser:
    """Create the parser of the whole command line.

    The result of parsing contains `run` (the function of the command, in `commands`), `options` (the class of its
    parameter), `env_file`, and the values of the options.
    """
    parser = _MainParser(
        prog="customerio-track-mcp",
        description="MCP server for the Customer.io Track API: customers, events and manual segments.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action=_VersionAction)
    _add_env_file(parser, default=None)
    subcommands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True, parser_class=CommandParser)
    add = subcommands.add_parser
    add(
        "stdio",
        help="serve a host over stdio (the default)",
        add_arguments=_add_stdio,
        problem_in=_problem_in_sandbox_options,
    )
    add(
        "http",
        help="serve streamable HTTP, at /mcp by default",
        add_arguments=_add_http,
        problem_in=_problem_in_sandbox_options,
    )
    add(
        "sandbox",
        help="run the sandbox Track API alone, with a page to watch it",
        add_arguments=_add_sandbox,
        problem_in=lambda values: "--ca-file requires --tls" if values["ca_file"] and not values["tls"] else "",
    )
    add("check", help="test the credentials; exit status 0 if the tools can be used", add_arguments=_add_check)
    add("token", help="create a bearer token for a caller of the HTTP service", add_arguments=_add_token)
    add("log", help="summarize what CUSTOMERIO_WRITE_LOG recorded", add_arguments=_add_log)
    add("demo", help="load example customers into a sandbox through the real server", add_arguments=_add_demo)
    add(
        "rehearse",
        help="score what an agent does in sandboxes, scenario by scenario",
        add_arguments=_add_rehearse,
        problem_in=lambda values: (
            "" if values["list"] or values["agent"] is not None else "pass --agent COMMAND, or --list"
        ),
    )
    add(
        "install",
        help="add this server to an MCP host, such as Claude Desktop",
        add_arguments=_add_install,
        problem_in=_problem_in_install_options,
    )
    add("uninstall", help="remove this server from an MCP host", add_arguments=_add_uninstall)
    add(
        "help",
        help="show this help, or that of a command",
        add_arguments=partial(_add_help, parser, subcommands.choices),
    )
    return parser


class _MainParser(argparse.ArgumentParser):
    """The parser of all commands, whose help ends with examples and the settings."""

    def format_help(self) -> str:
        self.epilog = f"{_EXAMPLES}\n{_SETTINGS_HELP.read_text(encoding='utf-8')}"
        return super().format_help()


class _VersionAction(argparse.Action):
    """Prints the version, which is read only then."""

    def __init__(self, option_strings: list[str], **_: object) -> None:
        super().__init__(
            option_strings,
            argparse.SUPPRESS,
            nargs=0,
            default=argparse.SUPPRESS,
            help="show program's version number and exit",
        )

    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        from customerio_track_mcp import __version__

        print_result(f"{parser.prog} {__version__}")
        parser.exit()


def _add_stdio(parser: CommandParser) -> None:
    from customerio_track_mcp.cli.options.stdio import StdioOptions

    parser.set_defaults(run=commands.stdio, options=StdioOptions)
    _add_serving(parser)


def _add_http(parser: CommandParser) -> None:
    from customerio_track_mcp.cli.options.http import HttpOptions

    parser.set_defaults(run=commands.http, options=HttpOptions)
    _add_address(parser, 8000)
    parser.add_argument(
        "--workers", type=read_workers, default=1, help="processes behind the port (default: %(default)s)"
    )
    parser.add_argument(
        "--allow-unauthenticated",
        action="store_true",
        help="allow a non-loopback address, public URL, hostname or origin without authentication",
    )
    _add_serving(parser)


def _add_address(parser: CommandParser, port: int) -> None:
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=read_port, default=port, help="0 for any free port (default: %(default)s)")


def _add_serving(parser: CommandParser) -> None:
    _add_sandbox_choice(parser, _SANDBOX_HELP)
    parser.add_argument("--dry-run", action="store_true", help="do everything but send; no account needed")
    _add_sandbox_page(parser)
    _add_env_file(parser)


def _add_sandbox(parser: CommandParser) -> None:
    from customerio_track_mcp.cli.options.sandbox import SandboxOptions

    parser.set_defaults(run=commands.sandbox, options=SandboxOptions)
    _add_address(parser, SANDBOX_PORT)
    parser.add_argument("--tls", action="store_true", help="serve https, with a certificate made on the spot")
    parser.add_argument(
        "--ca-file",
        type=Path,
        metavar="FILE",
        help="write the CA certificate of --tls to this file (default: one below the home folder, which is printed)",
    )
    parser.add_argument(
        "--allow-host",
        dest="allow_hosts",
        type=read_hostname,
        action="append",
        metavar="NAME",
        default=[],
        help="accept this hostname too, for example of a container; repeat it for more",
    )
    _add_sandbox_page(parser)
    _add_env_file(parser)


def _add_check(parser: CommandParser) -> None:
    from customerio_track_mcp.cli.options.check import CheckOptions

    parser.set_defaults(run=commands.check, options=CheckOptions)
    _add_sandbox_choice(parser, _CHECK_SANDBOX_HELP)
    _add_env_file(parser)


def _add_token(parser: CommandParser) -> None:
    from customerio_track_mcp.cli.options.token import TokenOptions

    parser.set_defaults(run=commands.token, options=TokenOptions)
    parser.add_argument(
        "name", type=read_name, metavar="NAME", help="name of the caller: letters, digits, '.', '_', '-'"
    )
    parser.add_argument(
        "--scope",
        dest="scopes",
        type=read_scopes,
        action="extend",
        metavar="SCOPE",
        default=[],
        help="allow only this; repeat it, or separate several by commas (default: every tool)",
    )
    parser.add_argument(
        "--quiet",
        action="store_true",
        help="print two lines without explanation, for scripts: the token, and the entry for the tokens file",
    )
    _add_env_file(parser)


def _add_log(parser: CommandParser) -> None:
    from customerio_track_mcp.cli.options.log import LogOptions

    parser.set_defaults(run=commands.log, options=LogOptions)
    parser.add_argument("files", nargs="+", metavar="FILE", help="a write log, rotated ones too; - for standard input")
    parser.add_argument(
        "--since",
        type=read_since,
        metavar="TIME",
        help="only calls since then: 90m, 24h, 7d, or a time such as 2026-01-31",
    )
    parser.add_argument("--json", action="store_true", help="print the summary as JSON")
    _add_env_file(parser)


def _add_demo(parser: CommandParser) -> None:
    from customerio_track_mcp.cli.options.demo import DemoOptions

    parser.set_defaults(run=commands.demo, options=DemoOptions)
    parser.add_argument("--open", action="store_true", help="show it on the sandbox's page, and keep that until Ctrl+C")
    _add_env_file(parser)


def _add_rehearse(parser: CommandParser) -> None:
    from customerio_track_mcp.cli.options.rehearse import RehearseOptions

    parser.set_defaults(run=commands.rehearse, options=RehearseOptions)
    parser.add_argument(
        "scenarios",
        nargs="*",
        metavar="SCENARIO",
        help="a YAML file, a folder of them, or the name of one that ships (default: all that ship)",
    )
    parser.add_argument(
        "--agent",
        metavar="COMMAND",
        help="the agent's command, which runs without a shell; {config} is replaced by the path of the MCP "
        "configuration, {prompt} by the prompt, {prompt_file} by the path of a file with it",
    )
    parser.add_argument("--list", action="store_true", help="list the scenarios that ship")
    parser.add_argument(
        "--timeout",
        type=read_timeout,
        default=_TIMEOUT_SECONDS,
        metavar="SECONDS",
        help="end the agent after this time, in each scenario (default: %(default)s)",
    )
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.add_argument("--junit", type=Path, metavar="FILE", help="write the result to this file too, as JUnit XML")
    _add_env_file(parser)


def _add_install(parser: CommandParser) -> None:
    from customerio_track_mcp.cli.options.hosts import InstallOptions

    parser.set_defaults(run=commands.install, options=InstallOptions)
    parser.add_argument("host", nargs="?", type=read_host, metavar="HOST", help=_HOSTS_HELP)
    parser.add_argument("--list", action="store_true", help="list the hosts on this machine, and what is attached")
    parser.add_argument("--print", action="store_true", help="print the configuration for any other host")
    _add_sandbox_choice(parser, _SANDBOX_HELP)
    parser.add_argument(
        "--env",
        type=read_variable,
        action="append",
        metavar="NAME=VALUE",
        default=[],
        help="set a variable for the server; repeat it for more. NAME alone copies the variable of this environment",
    )
    parser.add_argument(
        "--key-store",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="keep the key in the operating system's key store, or in the host's configuration (default: ask)",
    )
    _add_attaching(parser, read_entry_name)


def _add_uninstall(parser: CommandParser) -> None:
    from customerio_track_mcp.cli.options.hosts import UninstallOptions

    parser.set_defaults(run=commands.uninstall, options=UninstallOptions)
    parser.add_argument("host", type=read_host, metavar="HOST", help=_HOSTS_HELP)
    parser.add_argument(
        "--delete-key", action="store_true", help="delete its key from the operating system's key store too"
    )
    _add_attaching(parser, str)  # others may have named the entry


def _add_attaching(parser: CommandParser, read_name_of_entry: Callable[[str], str]) -> None:
    parser.add_argument(
        "--name",
        type=read_name_of_entry,
        default="customerio-track",
        help="name of the entry in the host's configuration (default: %(default)s)",
    )
    parser.add_argument(
        "--project", action="store_true", help="only for the project in the working directory, if the host has that"
    )
    parser.add_argument("--dry-run", action="store_true", help="show the change without making it")
    _add_env_file(parser)


def _add_help(main: argparse.ArgumentParser, parsers: Mapping[str, CommandParser], parser: CommandParser) -> None:
    from customerio_track_mcp.cli.options.help import HelpOptions

    def print_help(options: HelpOptions) -> int:
        chosen = main if options.command is None else parsers[options.command]
        print_result(chosen.format_help().rstrip("\n"))
        return 0

    parser.set_defaults(run=print_help, options=HelpOptions)
    parser.add_argument("command", nargs="?", choices=list(parsers), metavar="COMMAND", help="one of the commands")


def _add_sandbox_choice(parser: CommandParser, help_: str) -> None:
    parser.add_argument("--sandbox", nargs="?", const=True, default=False, type=read_sandbox, metavar="URL", help=help_)


def _add_sandbox_page(parser: CommandParser) -> None:
    parser.add_argument(
        "--data", type=Path, metavar="FILE", help="keep the sandbox's state in this file (default: in memory)"
    )
    parser.add_argument("--open", action="store_true", help="open the sandbox's page in the browser")


def _add_env_file(parser: argparse.ArgumentParser, default: str | None = argparse.SUPPRESS) -> None:
    """Add `--env-file`; a command's default does not replace the value of the option before the command."""
    parser.add_argument(
        ENV_FILE_OPTION,
        type=Path,
        metavar="FILE",
        default=default,
        help="read settings from this file; environment variables take precedence over it",
    )


def _problem_in_sandbox_options(values: Mapping[str, Any]) -> str:
    if not values["sandbox"] and (values["data"] or values["open"]):
        return "--data and --open require --sandbox"
    if isinstance(values["sandbox"], str) and values["data"]:
        return "--data needs a sandbox of its own: leave it out, or the URL of the sandbox"
    return ""


def _problem_in_install_options(values: Mapping[str, Any]) -> str:
    if (values["host"] is not None) + values["list"] + values["print"] != 1:
        return "pass a HOST, --list or --print"
    if values["key_store"] and (values["sandbox"] or values["list"]):
        return "--key-store: not allowed with --sandbox or --list, which keep no key"
    return ""
