"""Which hosts are on this machine, and what of this server is attached to them."""

from __future__ import annotations

import shutil
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

from customerio_track_mcp.cli.host_configuration import HostConfiguration, working_directory
from customerio_track_mcp.cli.output import print_result
from customerio_track_mcp.hosts.catalog import HOSTS, Host
from customerio_track_mcp.hosts.entries import runs_this_program, sandbox_of, shown_sandbox
from customerio_track_mcp.hosts.errors import HostError
from customerio_track_mcp.hosts.locations import Machine
from customerio_track_mcp.track import shorten

MAX_CHARACTERS: Final = 200
"""Of a name or a command in a host's file, when it is printed."""


def list_hosts() -> int:
    """Print each host, and the entries that run this program: the user's, and those of the project in this folder."""
    machine = Machine.this()
    width = max(map(len, HOSTS))
    for host in HOSTS.values():
        try:
            state = "found" if host.is_installed(machine) else "not found"
            lines = [line for path in files(host, machine) for line in _lines(host, path)]
        except HostError as error:
            state, lines = "found", [str(error)]
        print_result(f"{host.name:{width}}  {state}")
        for line in lines:
            print_result(f"  {line}")
    return 0


def files(host: Host, machine: Machine) -> Iterator[Path]:
    """Yield the files of a host: the user's, and that of the project in the working directory.

    Raises:
        HostError: the place of one is not known.
    """
    yield host.user_file(machine)
    if host.project_file is not None and (path := working_directory() / host.project_file) != host.user_file(machine):
        yield path


def _lines(host: Host, path: Path) -> Iterator[str]:
    try:
        configuration = HostConfiguration.read(host, path, "")
    except HostError as error:
        yield str(error)
        return
    for name, entry in configuration.servers.items():
        if runs_this_program(entry):
            where = _destination(entry)
            yield f"{shorten(name, MAX_CHARACTERS)}: {where}, in {path}{_problem(entry)}"


def _destination(entry: Mapping[str, Any]) -> str:
    sandbox = shown_sandbox(sandbox_of(entry))
    if isinstance(sandbox, str):
        return f"sandbox at {shorten(sandbox, MAX_CHARACTERS)}"
    return "sandbox" if sandbox else "workspace"


def _problem(entry: Mapping[str, Any]) -> str:
    command = str(entry.get("command"))
    if shutil.which(command) is not None:
        return ""
    shown = shorten(command, MAX_CHARACTERS)
    name = shown if Path(command).is_absolute() else f"{shown} (on PATH)"
    return f"; the command {name} does not exist: run install again"
