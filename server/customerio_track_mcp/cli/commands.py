"""What each command does: one function per command, from its options to its exit status.

A command imports what it needs when it runs: hosts wait for stdio to start, and people for `--help`.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Final

from customerio_track_mcp.cli.output import print_result, print_status
from customerio_track_mcp.module_loading import loading
from customerio_track_mcp.settings.errors import SettingsError

if TYPE_CHECKING:
    from customerio_track_mcp.cli.options.check import CheckOptions
    from customerio_track_mcp.cli.options.demo import DemoOptions
    from customerio_track_mcp.cli.options.hosts import InstallOptions, UninstallOptions
    from customerio_track_mcp.cli.options.http import HttpOptions
    from customerio_track_mcp.cli.options.log import LogOptions
    from customerio_track_mcp.cli.options.rehearse import RehearseOptions
    from customerio_track_mcp.cli.options.sandbox import SandboxOptions
    from customerio_track_mcp.cli.options.stdio import StdioOptions
    from customerio_track_mcp.cli.options.token import TokenOptions

INVALID_USAGE: Final = 2
"""The exit status for an invalid setting or option."""


def run_reporting_settings_errors(run: Callable[[], int], report: Callable[[str], None] = print_status) -> int:
    """Return the exit status of `run`; invalid settings are reported, one line each."""
    try:
        return run()
    except SettingsError as error:
        for problem in error.problems:
            report(problem)
        return INVALID_USAGE


def print_failure(problem: str) -> None:
    """Print the verdict of a check that could not be made, where its other verdicts are printed, too."""
    print_result(f"FAILED: {problem}")


def stdio(options: StdioOptions) -> int:
    """Serve a host over stdio."""
    if sys.stdin is None or sys.stdout is None:
        print_status("standard input and standard output must be open")
        return INVALID_USAGE
    with loading():
        from customerio_track_mcp.cli.stdio import run_stdio

    return run_stdio(options)


def http(options: HttpOptions) -> int:
    """Serve streamable HTTP."""
    with loading():
        from customerio_track_mcp.cli.http import require_authentication, serve_http
        from customerio_track_mcp.cli.unknown_variables import report_unknown_variables
        from customerio_track_mcp.cli.upstream import with_sandbox_setting
        from customerio_track_mcp.settings.http import HttpSettings

    report_unknown_variables()
    options = with_sandbox_setting(options)
    settings = HttpSettings.from_environment()
    require_authentication(options, settings)
    return _run(partial(serve_http, options, settings), "cannot start")


def sandbox(options: SandboxOptions) -> int:
    """Run the sandbox alone."""
    with loading():
        from customerio_track_mcp.cli.sandbox import serve_sandbox

    return _run(partial(serve_sandbox, options), f"cannot listen on {options.host} port {options.port}")


def check(options: CheckOptions) -> int:
    """Test the credentials, or the sandbox."""
    with loading():
        from customerio_track_mcp.cli.check_command import run_check
        from customerio_track_mcp.cli.unknown_variables import report_unknown_variables

    try:
        return run_reporting_settings_errors(partial(run_check, options), print_failure)
    finally:
        report_unknown_variables()


def demo(options: DemoOptions) -> int:
    """Load example data into a sandbox through the real server."""
    with loading():
        from customerio_track_mcp.cli.demo import show_demo

    return _run(partial(show_demo, options), "cannot start a sandbox")


def rehearse(options: RehearseOptions) -> int:
    """Run an agent in sandboxes, and score what it wrote there."""
    with loading():
        from customerio_track_mcp.cli.rehearse import run_rehearsals

    return run_rehearsals(options)


def token(options: TokenOptions) -> int:
    """Create a bearer token for a caller of the HTTP service."""
    from customerio_track_mcp.http.auth.static_tokens import new_token

    secret, digest = new_token()
    entry = " ".join([options.name, digest, *options.scopes])
    if options.quiet:
        print_result(f"{secret}\n{entry}")
        return 0
    print_result(f"Give this token to {options.name}; it is shown only once:\n\n    {secret}\n")
    print_result(f"Add this line to the file named by CUSTOMERIO_HTTP_TOKENS_FILE:\n\n    {entry}")
    return 0


def log(options: LogOptions) -> int:
    """Summarize write logs."""
    from customerio_track_mcp.cli.log import log

    return log(options)


def install(options: InstallOptions) -> int:
    """Add the server to a host's configuration."""
    with loading():
        from customerio_track_mcp.cli.install import install
        from customerio_track_mcp.cli.unknown_variables import report_unknown_variables

    if not options.list:
        report_unknown_variables()
    return install(options)


def uninstall(options: UninstallOptions) -> int:
    """Remove the server from a host's configuration."""
    with loading():
        from customerio_track_mcp.cli.uninstall import uninstall

    return uninstall(options)


def _run(run: Callable[[], Awaitable[int]], otherwise: str) -> int:
    import anyio

    try:
        return anyio.run(run)
    except OSError as error:
        # asyncio's own text repeats the address.
        cause = os.strerror(error.errno) if error.errno and error.errno > 0 else error.strerror or error
        print_status(f"{otherwise}: {cause}")
        return 1
