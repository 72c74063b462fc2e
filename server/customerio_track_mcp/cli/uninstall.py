"""The command `uninstall`: remove this server from an MCP host."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from customerio_track_mcp.cli.attached import MAX_CHARACTERS, files
from customerio_track_mcp.cli.host_configuration import HostConfiguration, run_reporting_host_errors, strings_of
from customerio_track_mcp.cli.options.hosts import UninstallOptions
from customerio_track_mcp.cli.output import print_result, print_status
from customerio_track_mcp.cli.server_environment import KEY_STORE_TIMEOUT, PUBLIC_VARIABLES
from customerio_track_mcp.hosts.catalog import HOSTS
from customerio_track_mcp.hosts.entries import runs_this_program
from customerio_track_mcp.hosts.errors import EntryError, HostError
from customerio_track_mcp.hosts.locations import Machine
from customerio_track_mcp.settings.key_store import KeyStore, KeyStoreError
from customerio_track_mcp.settings.server import Settings
from customerio_track_mcp.track import shorten

_KEY_STORE: Final = Settings.variable("key_store")


def uninstall(options: UninstallOptions) -> int:
    """Remove the server from a host's configuration."""
    return run_reporting_host_errors(lambda: _detach(options))


def _detach(options: UninstallOptions) -> int:
    configuration = HostConfiguration.open(options)
    file, entry = configuration.file, configuration.entry
    if entry is None:
        print_result(f"{file.path} contains no entry {configuration.name}: no change")
        _print_others(configuration)
        if options.dry_run:
            print_status("nothing was changed")
        elif options.delete_key:
            _delete_key(options.name)
        return 0
    if not runs_this_program(entry):
        raise EntryError(
            f"{file.path}: the entry {configuration.name} does not run this program, and was not removed: remove it by "
            "hand, or pass the name of another entry as --name"
        )
    if options.dry_run:
        configuration.print_diff(configuration.without_entry(), strings_of(entry, PUBLIC_VARIABLES))
        print_status("nothing was changed")
        return 0
    _remove(configuration)
    _forget_key(entry, delete=options.delete_key)
    print_result(f"Restart {configuration.host.title}, which may still run the server")
    return 0


def _remove(configuration: HostConfiguration) -> None:
    file = configuration.file
    original = _original(configuration)
    if original is not None:
        file.restore(original)
        print_result(f"{configuration.name} was removed from {file.path}, which is as it was before 'install'")
    elif not file.backups() and file.text == _new_text(configuration):
        file.delete()
        print_result(f"{configuration.name} was removed; {file.path} contained nothing else and was deleted")
    else:
        backup = file.write(configuration.without_entry(), private=False)
        print_result(f"{configuration.name} was removed from {file.path}")
        print_result(f"The former file, with all that the entry contained, is {backup}")


def _new_text(configuration: HostConfiguration) -> str:
    """Return the text of a new file with this entry only."""
    return configuration.host.format.put("", configuration.key_path, configuration.entry)


def _original(configuration: HostConfiguration) -> Path | None:
    """Return the backup to which adding the entry gives the file of today; None if there is none."""
    host = configuration.host
    for backup in configuration.file.backups():
        try:
            former = HostConfiguration.read(host, backup, configuration.name)
            if (
                former.entry is None
                and former.file.encoded(former.with_entry(configuration.entry)) == configuration.file.content
            ):
                return backup
        except HostError:
            continue
    return None


def _print_others(configuration: HostConfiguration) -> None:
    names = [shorten(name, MAX_CHARACTERS) for name, entry in configuration.servers.items() if runs_this_program(entry)]
    if names:
        print_result(f"These run this program: {', '.join(names)}. Pass one as --name to remove it.")


def _forget_key(entry: Mapping[str, Any], *, delete: bool) -> None:
    name = _key_of(entry)
    if name is None:
        return
    if not delete:
        print_result(f"The key is still in this system's key store, as {name}; --delete-key deletes it too")
        return
    _delete_key(name)


def _user_of_key(name: str) -> tuple[str, Path] | None:
    """Return the name and the file of an entry that uses a key of the key store; None if no host has one."""
    machine = Machine.this()
    for host in HOSTS.values():
        with suppress(HostError):
            for path in files(host, machine):
                for entry_name, entry in HostConfiguration.read(host, path, "").servers.items():
                    if _key_of(entry) == name:
                        return shorten(entry_name, MAX_CHARACTERS), path
    return None


def _key_of(entry: object) -> str | None:
    env = entry.get("env") if isinstance(entry, Mapping) and runs_this_program(entry) else None
    name = env.get(_KEY_STORE) if isinstance(env, Mapping) else None
    return name if isinstance(name, str) else None


def _delete_key(name: str) -> None:
    if (user := _user_of_key(name)) is not None:
        raise HostError(
            f"the key is still in the key store, as {name}: the entry {user[0]} in {user[1]} uses it; "
            "uninstall that first"
        )
    try:
        key_store = KeyStore.open(KEY_STORE_TIMEOUT)
        deleted = key_store.delete(name)
    except KeyStoreError as error:
        raise HostError(f"the key is still in the key store, as {name}: {error}") from None
    print_result(f"The key {name} {'was deleted from' if deleted else 'is not in'} {key_store.name}")
