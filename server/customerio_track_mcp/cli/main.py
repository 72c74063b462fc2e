"""The command line: dispatch, exit status."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from customerio_track_mcp.cli import commands
from customerio_track_mcp.cli.output import print_status
from customerio_track_mcp.cli.parser import ENV_FILE_OPTION, create_parser
from customerio_track_mcp.settings.errors import SettingsError


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command.

    Args:
        arguments: the arguments after the command's name; None for those of this process.

    Returns:
        The exit status: 0 for success, 1 for a failed `check`, `log`, `demo`, `rehearse`, `install` or `uninstall`, 2
        for an invalid setting or option.
    """
    words = _with_command(sys.argv[1:] if arguments is None else arguments)
    values = vars(create_parser().parse_args(words))
    run: Callable[[Any], int] = values.pop("run")
    env_file: Path | None = values.pop("env_file", None)
    options: object = values.pop("options")(**values)

    def run_with_env_file() -> int:
        if env_file is not None:
            _use_env_file(env_file)
        return run(options)

    report = commands.print_failure if run is commands.check else print_status
    return commands.run_reporting_settings_errors(run_with_env_file, report)


def _with_command(arguments: Sequence[str]) -> list[str]:
    """Return `arguments` with the default command, `stdio`, if they name none."""
    words = list(arguments)
    position = 0
    while words[position : position + 1] and words[position].partition("=")[0] == ENV_FILE_OPTION:
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
    from customerio_track_mcp.settings.env_file import ENV_FILE_VARIABLE, EnvFileError, read_env_file

    try:
        read_env_file(path)
    except EnvFileError as error:
        raise SettingsError([f"{ENV_FILE_OPTION}: {error}"]) from None
    os.environ[ENV_FILE_VARIABLE] = str(path)
