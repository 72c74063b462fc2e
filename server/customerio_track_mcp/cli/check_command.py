"""The command `check`: print the verdict, then what else the settings say, then log lines."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

import anyio

from customerio_track_mcp.cli.check import Verdict, check
from customerio_track_mcp.cli.check_sandbox import check_sandbox
from customerio_track_mcp.cli.options.check import CheckOptions
from customerio_track_mcp.cli.output import print_result
from customerio_track_mcp.cli.sandbox_upstream import sandbox_settings
from customerio_track_mcp.control.summary import report_lines
from customerio_track_mcp.instrumentation.logs import configure_logging, delayed_logs
from customerio_track_mcp.instrumentation.write_log import require_write_log
from customerio_track_mcp.settings.server import Settings


def run_check(options: CheckOptions) -> int:
    """Check the workspace or the sandbox; return 0 if the tools can be used, else 1.

    Raises:
        SettingsError: a setting is invalid, so that no server would start. Nothing was printed.
    """
    settings = sandbox_settings() if options.sandbox else Settings.from_environment()
    logging_settings = settings.with_defaults(log_level="ERROR")
    configure_logging(logging_settings.log_level, logging_settings.log_format)
    with delayed_logs():
        if settings.write_log is not None:
            _require_write_log(settings.write_log)
        verdict = _verdict(options, settings)
        for line in (*verdict.lines, *_sandbox_lines(options, settings), *report_lines(settings)):
            print_result(line)
    return 0 if verdict.is_usable else 1


def _verdict(options: CheckOptions, settings: Settings) -> Verdict:
    if not options.sandbox:
        return anyio.run(check, settings)
    named = next((url for url in (options.sandbox, settings.sandbox) if isinstance(url, str)), None)
    return anyio.run(check_sandbox, settings, named)


def _sandbox_lines(options: CheckOptions, settings: Settings) -> list[str]:
    if not settings.sandbox or options.sandbox:
        return []
    value = settings.sandbox if isinstance(settings.sandbox, str) else "true"
    return [
        f"CUSTOMERIO_SANDBOX is {value}: a server with these settings calls a sandbox, not the workspace. "
        "'customerio-track-mcp check --sandbox' checks that."
    ]


def _require_write_log(path: Path) -> None:
    """Check that a server could write the write log; a new file is deleted, since the server may be another user's.

    Raises:
        SettingsError: it could not.
    """
    existed = path.exists()
    require_write_log(path)
    if not existed:
        with suppress(OSError):
            path.unlink()
