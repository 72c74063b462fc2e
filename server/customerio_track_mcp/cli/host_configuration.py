"""The entry of this server in a host's configuration file: find it, change it, show the change."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from customerio_track_mcp.cli.options.hosts import HostOptions
from customerio_track_mcp.cli.output import print_result, print_status
from customerio_track_mcp.hosts.catalog import HOSTS, Host
from customerio_track_mcp.hosts.config_file import ConfigFile
from customerio_track_mcp.hosts.diff import masked_diff
from customerio_track_mcp.hosts.entries import (
    runs_this_program,
    sandbox_arguments,
    sandbox_of,
    shown_sandbox,
)
from customerio_track_mcp.hosts.errors import ConfigSyntaxError, HostError
from customerio_track_mcp.hosts.formats import Path as KeyPath
from customerio_track_mcp.hosts.locations import Machine
from customerio_track_mcp.settings.errors import SettingsError


@dataclass(frozen=True, slots=True)
class HostConfiguration:
    """A host's configuration, and the place of one entry in it.

    Attributes:
        host: the host.
        file: its configuration file, as it was read.
        tree: what the file contains.
        name: the name of the entry.
    """

    host: Host
    file: ConfigFile
    tree: Mapping[str, Any]
    name: str

    @classmethod
    def open(cls, options: HostOptions) -> HostConfiguration:
        """Read the configuration that `options` name.

        Raises:
            SettingsError: the host has no configuration for projects.
            HostError: the file cannot be read or changed.
        """
        host = HOSTS[options.host or ""]
        if not options.project:
            path = host.user_file(Machine.this())
        elif host.project_file is not None:
            path = working_directory() / host.project_file
        else:
            raise SettingsError([f"--project: {host.title} has no configuration for projects"])
        return cls.read(host, path, options.name)

    @classmethod
    def read(cls, host: Host, path: Path, name: str) -> HostConfiguration:
        """Read a configuration file, which may not exist.

        Raises:
            HostError: it cannot be read or changed.
        """
        file = ConfigFile.read(path)
        try:
            configuration = cls(host, file, host.format.parse(file.text), name)
            # Nobody is asked for a key that cannot be written then.
            configuration.with_entry({"command": ""})
        except ConfigSyntaxError as error:
            raise HostError(f"{path}: {error}. Correct it, and run the command again; it was not changed") from None
        return configuration

    def read_again(self) -> HostConfiguration:
        """Return the configuration as it is now.

        Raises:
            HostError: the file cannot be read or changed.
        """
        return self.read(self.host, self.file.path, self.name)

    @property
    def key_path(self) -> KeyPath:
        """The keys that lead to the entry."""
        return (self.host.servers_key, self.name)

    @property
    def servers(self) -> Mapping[str, Any]:
        """All entries, by their names."""
        servers = self.tree.get(self.host.servers_key, {})
        return servers if isinstance(servers, Mapping) else {}

    @property
    def others(self) -> Mapping[str, Any]:
        """The entries of other names."""
        return {name: entry for name, entry in self.servers.items() if name != self.name}

    @property
    def entry(self) -> Any:
        """The entry; None if there is none."""
        return self.servers.get(self.name)

    def with_entry(self, fields: Mapping[str, Any]) -> str:
        """Return the text of the file with this entry."""
        return self.host.format.put(self.file.text, self.key_path, fields)

    def without_entry(self) -> str:
        """Return the text of the file without the entry, which must be there."""
        return self.host.format.remove(self.file.text, self.key_path)

    def print_diff(self, text: str, shown: Collection[str]) -> None:
        """Print how the file changes; strings that are not in `shown` are masked."""
        for line in masked_diff(str(self.file.path), self.file.text, text, {self.name, *shown}):
            print_result(line)


def working_directory() -> Path:
    """Return the folder of the project.

    Raises:
        HostError: it does not exist anymore.
    """
    try:
        return Path.cwd()
    except OSError as error:
        raise HostError(f"the working directory cannot be used: {error.strerror}; change to another one") from None


def strings_of(entry: object, names: Collection[str]) -> set[str]:
    """Return the strings of an entry that may be shown: none, if it does not run this program.

    Args:
        entry: an entry of a host's configuration.
        names: names of variables whose values may be shown.
    """
    if not isinstance(entry, Mapping) or not runs_this_program(entry):
        return set()
    env = entry.get("env")
    values = [value for name, value in env.items() if name in names] if isinstance(env, Mapping) else []
    # Arguments of another program that runs this one, such as `docker run -e NAME=VALUE`, may contain a key.
    words = sandbox_arguments(shown_sandbox(sandbox_of(entry)))
    return {word for word in [entry.get("type"), entry.get("command"), *words, *values] if isinstance(word, str)}


def run_reporting_host_errors(run: Callable[[], int]) -> int:
    """Return the exit status of `run`; why a host's configuration cannot be used is reported in one line."""
    try:
        return run()
    except HostError as error:
        print_status(str(error))
        return 1
