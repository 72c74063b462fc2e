"""Run the command with which a host adds a server to its own configuration."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
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
    program = shutil.which(own.program, path=_absolute_folders(os.environ))
    return None if program is None else [program, *arguments(name, entry)]


def run(command: Sequence[str], environment: Mapping[str, str], folder: Path) -> None:
    """Run a host's own command. Everything that it starts ends with it if it fails to end by itself.

    Args:
        command: absolute path of the program, and its arguments.
        environment: its environment variables, which must not contain a secret of this server.
        folder: its working directory, whose configuration the host may read.

    Raises:
        OwnCommandError: it failed, or did not end within a minute.
    """
    program = Path(command[0]).name
    try:
        # Not a pipe: it stays open for as long as a background process has it.
        with tempfile.TemporaryFile() as output:
            status = _status(command, {**environment, "PATH": _absolute_folders(environment)}, folder, output.fileno())
            output.seek(0)
            printed = output.read(_MAX_OUTPUT).decode(errors="replace")
    except subprocess.TimeoutExpired:
        raise OwnCommandError(f"{program} did not end within {_SECONDS} seconds") from None
    except OSError as error:
        raise OwnCommandError(f"{program} cannot be started: {error.strerror}") from None
    if status:
        raise OwnCommandError(f"{program} failed with status {status}: {_printable(printed) or 'it printed nothing'}")


def _status(command: Sequence[str], environment: Mapping[str, str], folder: Path, output: int) -> int:
    with subprocess.Popen(  # noqa: S603
        command,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
        env=environment,
        cwd=folder,
        start_new_session=True,
    ) as process:
        try:
            return process.wait(_SECONDS)
        except BaseException:  # Ctrl+C too
            os.killpg(process.pid, signal.SIGKILL)
            raise


def _absolute_folders(environment: Mapping[str, str]) -> str:
    """Return PATH without its relative entries: the working directory is a project's, whose files are not to be run."""
    folders = environment.get("PATH", os.defpath).split(os.pathsep)
    return os.pathsep.join(folder for folder in folders if Path(folder).is_absolute()) or os.defpath


def _printable(output: str) -> str:
    """Return what a program printed, in one line and without control characters."""
    return " ".join("".join(character if character.isprintable() else " " for character in output).split())
