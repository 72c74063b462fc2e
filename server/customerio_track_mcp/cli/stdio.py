"""The command `stdio`: serve one host."""

from __future__ import annotations

import gc
import sys
from typing import Final

import anyio

from customerio_track_mcp.cli.options.stdio import StdioOptions
from customerio_track_mcp.cli.output import print_status
from customerio_track_mcp.cli.startup_lines import startup_notifier
from customerio_track_mcp.cli.unknown_variables import report_unknown_variables
from customerio_track_mcp.cli.upstream import open_upstream, with_sandbox_setting
from customerio_track_mcp.control.quotas.shares import share_warnings
from customerio_track_mcp.runtime import open_runtime
from customerio_track_mcp.stdio.delivery import delivery_of
from customerio_track_mcp.stdio.transport import serve_stdio

_WAITING: Final = (
    "waiting for an MCP host on standard input; a host normally starts this command by itself (README.md, 'Attach it "
    "to a host'). Press Ctrl+C to stop. 'customerio-track-mcp demo' shows what it does, without an account, and "
    "'customerio-track-mcp --help' lists the other commands."
)


def run_stdio(options: StdioOptions) -> int:
    """Serve until standard input ends; return the exit status.

    Raises:
        SettingsError: a setting is invalid, or no sandbox answers at the URL that is named.
    """
    report_unknown_variables()
    options = with_sandbox_setting(options)
    is_terminal = sys.stdin.isatty()

    async def run() -> None:
        # Hosts show what a server writes to stderr as errors.
        async with (
            open_upstream(options, default_log_level="WARNING") as upstream,
            open_runtime(upstream, delivery_of=delivery_of) as runtime,
        ):
            gc.freeze()  # see `module_loading`
            for warning in share_warnings(upstream.settings, processes=1):
                startup_notifier(upstream.settings)(warning)
            if is_terminal:
                print_status(_WAITING)
            await serve_stdio(runtime.server)

    anyio.run(run)
    return 0
