"""Run the command with which a host adds a server to its own configuration."""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from customerio_track_mcp.hosts.catalog import OwnCommand
from customerio_track_mcp.hosts.entries import Entry
from customerio_track_mcp.hosts.errors import OwnCommandError

_SECONDS: Final = 60
_MAX_OUTPUT: Final = 2000


def command_line(own: OwnCommand, name: str, entry: Entry, *, project: bool) -> list[str] | None:
    """Return the command that adds an entry; None if the host's own command cannot.

    A secret is never an argument, since other users of the machine can read a process's arguments. On Windows, these
    commands are batch files, which cannot receive every argument safely.
    """
    arguments = own.add_to_project if project else own.add
    if arguments is None or entry.contains_secret or os.name == "nt":
        return None
    # The working directory is a project's, whose files are not to be run.
    program = shutil.which(own.program)
    if program is None or not Path(program).is_absolute():
        return None
    return [program, *arguments(name, entry)]


def run(command: Sequence[str], environment: Mapping[str, str]) -> None:
    """Run a host's own command in the working directory.

    Args:
        command: absolute path of the program, and its arguments.
        environment: its environment variables, which must not contain a secret of this server.

    Raises:
        OwnCommandError: it failed, or did not end within a minute.
    """
    program = Path(command[0]).name
    try:
        completed = subprocess.run(  # noqa: S603
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=dict(environment),
            timeout=_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise OwnCommandError(f"{program} did not end within {_SECONDS} seconds") from None
    except OSError as error:
        raise OwnCommandError(f"{program} cannot be started: {error.strerror}") from None
    if completed.returncode:
        output = _printable(completed.stdout.decode(errors="replace"))
        raise OwnCommandError(f"{program} failed with status {completed.returncode}: {output or 'it printed nothing'}")


def _printable(output: str) -> str:
    """Return the start of what a program printed, in one line and without control characters."""
    words = "".join(character if character.isprintable() else " " for character in output).split()
    return " ".join(words)[:_MAX_OUTPUT]
