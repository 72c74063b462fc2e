"""The command line: parser, dispatch, exit status."""

from __future__ import annotations

import argparse
import os
import re
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, Final

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from customerio_track_mcp import __version__
from customerio_track_mcp.cli import commands
from customerio_track_mcp.cli.options import (
    CheckOptions,
    DemoOptions,
    HelpOptions,
    HttpOptions,
    InstallOptions,
    LogOptions,
    RehearseOptions,
    SandboxOptions,
    StdioOptions,
    TokenOptions,
    UninstallOptions,
)
from customerio_track_mcp.cli.output import print_result, print_status
from customerio_track_mcp.settings.allow_lists import canonical_hostname
from customerio_track_mcp.settings.base import EnvironmentSettings, SettingsError
from customerio_track_mcp.settings.control import ControlSettings
from customerio_track_mcp.settings.env_file import ENV_FILE_VARIABLE, EnvFileError, read_env_file
from customerio_track_mcp.settings.http import CALLER_NAME, HttpSettings
from customerio_track_mcp.settings.sandbox_choice import SANDBOX_PORT, sandbox_url
from customerio_track_mcp.settings.server import Settings

_MAX_PORT: Final = 65535
_MAX_WORKERS: Final = 64
_TIMEOUT_SECONDS: Final = 300
_MAX_TIMEOUT_SECONDS: Final = 86_400
_ENV_FILE_OPTION: Final = "--env-file"
_HOST_NAMES: Final = ("claude-desktop", "claude-code", "cursor", "vscode", "windsurf", "gemini-cli", "codex")
"""The hosts of the catalog, which is not loaded to serve one. A test keeps them in step."""

_HOSTS_HELP: Final = f"one of {', '.join(_HOST_NAMES)}"
_SANDBOX_HELP: Final = "use the sandbox: the one at URL, the running one, or an embedded one; no account needed"
_CHECK_SANDBOX_HELP: Final = "check the running sandbox, or the one at URL, instead of the workspace"
_WITH_SANDBOX: Final = ("stdio", "http", "check", "install")
"""The commands with the option `--sandbox`."""
_ENTRY_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]{0,63}")
"""Gemini CLI misreads underscores, and other hosts reject dots and spaces."""
_VARIABLE_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_DURATION: Final = re.compile(r"([0-9]{1,9})([mhd])")
_UNITS: Final = {"m": "minutes", "h": "hours", "d": "days"}
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


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: the arguments after the command's name; None for those of this process.

    Returns:
        The exit status: 0 for success, 1 for a failed `check`, `log`, `demo`, `rehearse`, `install` or `uninstall`, 2
        for an invalid setting or option.
    """
    words = _with_command(sys.argv[1:] if arguments is None else arguments)
    parser = _parser()
    values = vars(parser.parse_args(words))
    run: Callable[[Any], int] = values.pop("run")
    command: argparse.ArgumentParser = values.pop("parser")
    env_file: Path | None = values.pop("env_file", None)
    options: object = values.pop("options")(**values)
    if isinstance(options, StdioOptions) and not options.sandbox and (options.data or options.open):
        command.error("--data and --open require --sandbox")
    if isinstance(options, StdioOptions) and isinstance(options.sandbox, str) and options.data:
        command.error("--data needs a sandbox of its own: leave it out, or the URL of the sandbox")
    if isinstance(options, InstallOptions) and (options.host is not None) + options.list + options.print != 1:
        command.error("pass a HOST, --list or --print")
    if isinstance(options, InstallOptions) and options.key_store and (options.sandbox or options.list):
        command.error("--key-store: not allowed with --sandbox or --list, which keep no key")
    if isinstance(options, RehearseOptions) and not options.list and options.agent is None:
        command.error("pass --agent COMMAND, or --list")
    if isinstance(options, SandboxOptions) and options.ca_file and not options.tls:
        command.error("--ca-file requires --tls")

    def run_with_env_file() -> int:
        if env_file is not None:
            _use_env_file(env_file)
        return run(options)

    report = commands.print_failure if isinstance(options, CheckOptions) else print_status
    return commands.run_reporting_settings_errors(run_with_env_file, report)


def _with_command(arguments: Sequence[str]) -> list[str]:
    """Return `arguments` with the default command, `stdio`, if they name none."""
    words = list(arguments)
    position = 0
    while words[position : position + 1] and words[position].partition("=")[0] == _ENV_FILE_OPTION:
        position += 1 if "=" in words[position] else 2
    if position > len(words):
        return words  # the parser reports the option without a value
    first = words[position] if position < len(words) else "-"
    if first.startswith("-") and first not in ("-h", "--help", "--version"):
        words.insert(position, "stdio")
    return words


def _use_env_file(path: Path) -> None:
    """Set the file that settings are read from, in this process and in those that it starts.

    Raises:
        SettingsError: it cannot be read.
    """
    try:
        read_env_file(path)
    except EnvFileError as error:
        raise SettingsError([f"{_ENV_FILE_OPTION}: {error}"]) from None
    os.environ[ENV_FILE_VARIABLE] = str(path)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="customerio-track-mcp",
        description="MCP server for the Customer.io Track API: customers, events and manual segments.",
        epilog=f"{_EXAMPLES}\n{_settings_help()}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    _add_env_file(parser, default=None)
    subcommands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True, parser_class=_CommandParser)

    stdio = subcommands.add_parser("stdio", help="serve a host over stdio (the default)")
    stdio.set_defaults(run=commands.stdio, options=StdioOptions)
    http = subcommands.add_parser("http", help="serve streamable HTTP, at /mcp by default")
    http.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    http.add_argument("--port", type=_port, default=8000, help="0 for any free port (default: %(default)s)")
    http.add_argument("--workers", type=_workers, default=1, help="processes behind the port (default: %(default)s)")
    http.add_argument(
        "--allow-unauthenticated",
        action="store_true",
        help="allow a non-loopback address, public URL, hostname or origin without authentication",
    )
    http.set_defaults(run=commands.http, options=HttpOptions)
    for serving in (stdio, http):
        _add_sandbox(serving, _SANDBOX_HELP)
        serving.add_argument("--dry-run", action="store_true", help="do everything but send; no account needed")

    sandbox = subcommands.add_parser("sandbox", help="run the sandbox Track API alone, with a page to watch it")
    sandbox.add_argument("--host", default="127.0.0.1", help="address to listen on (default: %(default)s)")
    sandbox.add_argument("--port", type=_port, default=SANDBOX_PORT, help="0 for any free port (default: %(default)s)")
    sandbox.add_argument("--tls", action="store_true", help="serve https, with a certificate made on the spot")
    sandbox.add_argument(
        "--ca-file",
        type=Path,
        metavar="FILE",
        help="write the CA certificate of --tls to this file (default: one below the home folder, which is printed)",
    )
    sandbox.add_argument(
        "--allow-host",
        dest="allow_hosts",
        type=_hostname,
        action="append",
        metavar="NAME",
        default=[],
        help="accept this hostname too, for example of a container; repeat it for more",
    )
    sandbox.set_defaults(run=commands.sandbox, options=SandboxOptions)
    for sandboxed in (stdio, http, sandbox):
        sandboxed.add_argument(
            "--data", type=Path, metavar="FILE", help="keep the sandbox's state in this file (default: in memory)"
        )
        sandboxed.add_argument("--open", action="store_true", help="open the sandbox's page in the browser")

    check = subcommands.add_parser("check", help="test the credentials; exit status 0 if the tools can be used")
    _add_sandbox(check, _CHECK_SANDBOX_HELP)
    check.set_defaults(run=commands.check, options=CheckOptions)
    token = subcommands.add_parser("token", help="create a bearer token for a caller of the HTTP service")
    token.add_argument("name", type=_name, metavar="NAME", help="name of the caller: letters, digits, '.', '_', '-'")
    token.add_argument(
        "--scope",
        dest="scopes",
        type=_scopes,
        action="extend",
        metavar="SCOPE",
        default=[],
        help="allow only this; repeat it, or separate several by commas (default: every tool)",
    )
    token.add_argument(
        "--quiet",
        action="store_true",
        help="print two lines without explanation, for scripts: the token, and the entry for the tokens file",
    )
    token.set_defaults(run=commands.token, options=TokenOptions)
    log = subcommands.add_parser("log", help="summarize what CUSTOMERIO_WRITE_LOG recorded")
    log.add_argument("files", nargs="+", metavar="FILE", help="a write log, rotated ones too; - for standard input")
    log.add_argument(
        "--since", type=_since, metavar="TIME", help="only calls since then: 90m, 24h, 7d, or a time such as 2026-01-31"
    )
    log.add_argument("--json", action="store_true", help="print the summary as JSON")
    log.set_defaults(run=commands.log, options=LogOptions)
    demo = subcommands.add_parser("demo", help="load example customers into a sandbox through the real server")
    demo.add_argument("--open", action="store_true", help="show it on the sandbox's page, and keep that until Ctrl+C")
    demo.set_defaults(run=commands.demo, options=DemoOptions)
    rehearse = subcommands.add_parser("rehearse", help="score what an agent does in sandboxes, scenario by scenario")
    rehearse.add_argument(
        "scenarios",
        nargs="*",
        metavar="SCENARIO",
        help="a YAML file, a folder of them, or the name of one that ships (default: all that ship)",
    )
    rehearse.add_argument(
        "--agent",
        metavar="COMMAND",
        help="the agent's command, which runs without a shell; {config} is replaced by the path of the MCP "
        "configuration, {prompt} by the prompt, {prompt_file} by the path of a file with it",
    )
    rehearse.add_argument("--list", action="store_true", help="list the scenarios that ship")
    rehearse.add_argument(
        "--timeout",
        type=_timeout,
        default=_TIMEOUT_SECONDS,
        metavar="SECONDS",
        help="end the agent after this time, in each scenario (default: %(default)s)",
    )
    rehearse.add_argument("--json", action="store_true", help="print the result as JSON")
    rehearse.add_argument("--junit", type=Path, metavar="FILE", help="write the result to this file too, as JUnit XML")
    rehearse.set_defaults(run=commands.rehearse, options=RehearseOptions)
    install = subcommands.add_parser("install", help="add this server to an MCP host, such as Claude Desktop")
    install.add_argument("host", nargs="?", type=_host, metavar="HOST", help=_HOSTS_HELP)
    install.add_argument("--list", action="store_true", help="list the hosts on this machine, and what is attached")
    install.add_argument("--print", action="store_true", help="print the configuration for any other host")
    _add_sandbox(install, _SANDBOX_HELP)
    install.add_argument(
        "--env",
        type=_variable,
        action="append",
        metavar="NAME=VALUE",
        default=[],
        help="set a variable for the server; repeat it for more. NAME alone copies the variable of this environment",
    )
    install.add_argument(
        "--key-store",
        action=argparse.BooleanOptionalAction,
        default=None,
        help="keep the key in the operating system's key store, or in the host's configuration (default: ask)",
    )
    install.set_defaults(run=commands.install, options=InstallOptions)
    uninstall = subcommands.add_parser("uninstall", help="remove this server from an MCP host")
    uninstall.add_argument("host", type=_host, metavar="HOST", help=_HOSTS_HELP)
    uninstall.add_argument(
        "--delete-key", action="store_true", help="delete its key from the operating system's key store too"
    )
    uninstall.set_defaults(run=commands.uninstall, options=UninstallOptions)
    for attaching in (install, uninstall):
        attaching.add_argument(
            "--name",
            type=_entry_name if attaching is install else str,  # others may have named the entry
            default="customerio-track",
            help="name of the entry in the host's configuration (default: %(default)s)",
        )
        attaching.add_argument(
            "--project", action="store_true", help="only for the project in the working directory, if the host has that"
        )
        attaching.add_argument("--dry-run", action="store_true", help="show the change without making it")
    for command in (stdio, http, sandbox, check, token, log, demo, rehearse, install, uninstall):
        # Suppressed, so that it does not replace the value of the option before the command.
        _add_env_file(command, default=argparse.SUPPRESS)
        command.set_defaults(parser=command)
    parsers: dict[str | None, argparse.ArgumentParser] = {None: parser}
    parsers.update(subcommands.choices)
    help_ = subcommands.add_parser("help", help="show this help, or that of a command")
    help_.add_argument(
        "command", nargs="?", choices=list(subcommands.choices), metavar="COMMAND", help="one of the commands"
    )
    help_.set_defaults(run=partial(_print_help, parsers), options=HelpOptions, parser=help_)
    return parser


class _CommandParser(argparse.ArgumentParser):
    """The parser of a command, which reports unknown arguments with its own usage.

    argparse passes them on to the main parser, whose usage does not contain the command's options.
    """

    def parse_known_args(  # type: ignore[override]
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        values, unknown = super().parse_known_args(args, namespace)
        if unknown:
            hint = "; put the whole command of --agent in quotes" if "{config}" in unknown else ""
            self.error(f"unrecognized arguments: {' '.join(unknown)}{hint}")
        return values, unknown


def _print_help(parsers: Mapping[str | None, argparse.ArgumentParser], options: HelpOptions) -> int:
    print_result(parsers[options.command].format_help().rstrip("\n"))
    return 0


def _add_sandbox(parser: argparse.ArgumentParser, help_: str) -> None:
    parser.add_argument(
        "--sandbox",
        nargs="?",
        const=True,
        default=False,
        type=_sandbox,
        metavar="URL",
        help=help_,
    )


def _add_env_file(parser: argparse.ArgumentParser, default: str | None) -> None:
    parser.add_argument(
        _ENV_FILE_OPTION,
        type=Path,
        metavar="FILE",
        default=default,
        help="read settings from this file; environment variables take precedence over it",
    )


def _sandbox(text: str) -> str:
    if text in _HOST_NAMES:
        problem = f"{text!r} is not a URL; the host comes first: customerio-track-mcp install {text} --sandbox"
    elif text in _WITH_SANDBOX:
        problem = f"{text!r} is not a URL; a command comes first: customerio-track-mcp {text} --sandbox"
    else:
        try:
            return sandbox_url(text)
        except ValueError as error:
            problem = str(error)
    raise argparse.ArgumentTypeError(problem)


def _port(text: str) -> int:
    return _number(text, "port", 0, _MAX_PORT)


def _workers(text: str) -> int:
    return _number(text, "number of workers", 1, _MAX_WORKERS)


def _number(text: str, what: str, lowest: int, highest: int) -> int:
    if text.isdecimal() and lowest <= int(text) <= highest:
        return int(text)
    raise argparse.ArgumentTypeError(f"invalid {what} {text!r}: expected {lowest} to {highest}")


def _timeout(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if 0 < seconds <= _MAX_TIMEOUT_SECONDS:
        return seconds
    raise argparse.ArgumentTypeError(
        f"invalid timeout {text!r}: expected seconds, more than 0 and up to {_MAX_TIMEOUT_SECONDS}"
    )


def _name(text: str) -> str:
    if CALLER_NAME.fullmatch(text):
        return text
    raise argparse.ArgumentTypeError(f"invalid name {text!r}: expected letters, digits, '.', '_' and '-'")


def _host(text: str) -> str:
    if text in _HOST_NAMES:
        return text
    raise argparse.ArgumentTypeError(
        f"invalid host {text!r}: expected {', '.join(_HOST_NAMES)}; for any other, use 'install --print'"
    )


def _hostname(text: str) -> str:
    hostname = canonical_hostname(text, default_ports=())
    if hostname and (hostname.endswith("]") or ":" not in hostname):
        return hostname.strip("[]")
    raise argparse.ArgumentTypeError(
        f"invalid hostname {text!r}: expected one such as sandbox, without scheme, port, path or wildcard"
    )


def _entry_name(text: str) -> str:
    if _ENTRY_NAME.fullmatch(text):
        return text
    raise argparse.ArgumentTypeError(f"invalid name {text!r}: expected up to 64 letters, digits and '-'")


def _variable(text: str) -> tuple[str, str | None]:
    name, equals, value = text.partition("=")
    if not _VARIABLE_NAME.fullmatch(name):
        raise argparse.ArgumentTypeError("invalid variable: expected NAME=VALUE, or NAME")
    return name, value if equals else None


def _scopes(text: str) -> list[str]:
    from customerio_track_mcp.http.auth.scopes import KNOWN_SCOPES  # nothing else here needs the tools

    scopes = text.replace(",", " ").split()
    if not scopes or not KNOWN_SCOPES.issuperset(scopes):
        raise argparse.ArgumentTypeError(f"invalid scope {text!r}: expected {', '.join(sorted(KNOWN_SCOPES))}")
    return scopes


def _since(text: str) -> datetime:
    now = datetime.now(UTC)
    try:
        if duration := _DURATION.fullmatch(text):
            return now - timedelta(**{_UNITS[duration[2]]: int(duration[1])})
        time = datetime.fromisoformat(text)
        return (time if time.tzinfo else time.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        raise argparse.ArgumentTypeError(
            f"invalid time {text!r}: expected a duration such as 90m, 24h or 7d, or a time such as 2026-01-31 or "
            "2026-01-31T12:00:00Z (UTC, unless it has another offset)"
        ) from None


def _settings_help() -> str:
    lines = ["settings (environment variables, --env-file, or secret files in /run/secrets):"]
    own = {name: field for name, field in Settings.model_fields.items() if name not in ControlSettings.model_fields}
    lines += [
        *_fields_help(Settings, own),
        "settings that limit and record what a model does:",
        *_fields_help(Settings, ControlSettings.model_fields),
        "settings of the HTTP service:",
        *_fields_help(HttpSettings, HttpSettings.model_fields),
    ]
    return "\n".join(lines)


def _fields_help(settings: type[EnvironmentSettings], fields: Mapping[str, FieldInfo]) -> Iterator[str]:
    for name, field in fields.items():
        default = field.default
        if isinstance(default, SecretStr):
            default = default.get_secret_value()
        shown = ", ".join(sorted(default)) if isinstance(default, frozenset) else default
        suffix = "" if shown in (None, "") else f" [{shown}]"
        yield f"  {settings.variable(name)}"
        yield from textwrap.wrap(
            f"{field.description}{suffix}", width=78, initial_indent="      ", subsequent_indent="      "
        )
