"""The command `install`: add this server to an MCP host."""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Mapping
from typing import Any, Final

from customerio_track_mcp.cli.attached import list_hosts
from customerio_track_mcp.cli.browser import environment_without_settings
from customerio_track_mcp.cli.host_configuration import (
    HostConfiguration,
    run_reporting_host_errors,
    strings_of,
    working_directory,
)
from customerio_track_mcp.cli.options.hosts import InstallOptions
from customerio_track_mcp.cli.output import print_result, print_status
from customerio_track_mcp.cli.server_environment import (
    PUBLIC_VARIABLES,
    CheckFailedError,
    ServerEnvironment,
    planned_environment,
    sandbox_environment,
    workspace_environment,
)
from customerio_track_mcp.hosts.catalog import MCP_SERVERS, generic_fields
from customerio_track_mcp.hosts.entries import (
    SANDBOX,
    SANDBOX_VARIABLE,
    Entry,
    is_same,
    sandbox_arguments,
    sandbox_in_variable,
    with_settings_of_host,
)
from customerio_track_mcp.hosts.errors import HostError, OwnCommandError
from customerio_track_mcp.hosts.locations import Machine
from customerio_track_mcp.hosts.own_commands import command_line, run
from customerio_track_mcp.hosts.program import installed_program
from customerio_track_mcp.settings.env_file import ENV_FILE_VARIABLE
from customerio_track_mcp.settings.errors import SettingsError

_QUESTION: Final = "What can you do in Customer.io?"
_SANDBOX_QUESTION: Final = "Add the customer ann@example.com with the plan pro to Customer.io."
_PLACEHOLDER: Final = "<{}>"


def install(options: InstallOptions) -> int:
    """Add the server to a host's configuration, list what is attached, or print an entry for any other host.

    Raises:
        SettingsError: a setting or an option is invalid.
    """
    if options.list:
        return run_reporting_host_errors(list_hosts)
    return run_reporting_host_errors(lambda: _print(options) if options.print else _attach(options))


def _attach(options: InstallOptions) -> int:
    program = str(installed_program())
    configuration = HostConfiguration.open(options)
    is_installed = options.project or configuration.host.is_installed(Machine.this())
    try:
        environment = _environment(options)
    except CheckFailedError:
        print_status(
            f"{configuration.file.path} was not changed: correct this and run the command again, or use {SANDBOX}"
        )
        return 1
    # Hosts write their files too, and a person may have taken a while to enter the key. The place stays: variables for
    # the server, such as HOME, are set in this process by now.
    configuration = configuration.read_again()
    entry = _entry(program, options, environment)
    if options.project and entry.contains_secret:
        raise SettingsError(
            [
                f"--project: {configuration.file.path} is shared with the project, and must not contain a key: use "
                f"--key-store, or --env {ENV_FILE_VARIABLE}=FILE"
            ]
        )
    fields = with_settings_of_host(configuration.host.fields(entry), configuration.entry)
    if options.dry_run:
        return _show(configuration, fields, entry, options)
    environment.save_key()
    is_readable_by_others = entry.contains_secret and not configuration.file.is_private
    if is_same(configuration.entry, fields) and not is_readable_by_others:
        print_result(f"{configuration.file.path} contains this entry already: no change")
    elif not _added_by_host(configuration, fields, entry, options):
        _write(configuration, fields, entry)
    host = configuration.host
    if not is_installed:
        print_status(f"{host.title} was not found on this machine; its file is ready for it")
    print_result(f'{host.next_step}, then ask: "{_SANDBOX_QUESTION if _uses_sandbox(options) else _QUESTION}"')
    return 0


def _uses_sandbox(options: InstallOptions) -> bool:
    """Return whether the server will not need credentials: by the option, or by a variable that is given for it."""
    value = dict(options.env).get(SANDBOX_VARIABLE, "")
    return bool(options.sandbox or sandbox_in_variable(os.environ.get(SANDBOX_VARIABLE) if value is None else value))


def _environment(options: InstallOptions) -> ServerEnvironment:
    if _uses_sandbox(options):
        return sandbox_environment(options.env)
    return planned_environment(options) if options.dry_run else workspace_environment(options)


def _entry(program: str, options: InstallOptions, environment: ServerEnvironment) -> Entry:
    return Entry(program, sandbox_arguments(options.sandbox), environment.variables, environment.secrets)


def _shown(configuration: HostConfiguration, fields: Mapping[str, Any], entry: Entry) -> set[str]:
    return {*entry.shown_strings(), *strings_of(configuration.entry, PUBLIC_VARIABLES), str(fields.get("type", ""))}


def _show(configuration: HostConfiguration, fields: Mapping[str, Any], entry: Entry, options: InstallOptions) -> int:
    if is_same(configuration.entry, fields):
        print_result(f"{configuration.file.path} contains this entry already: no change")
        return 0
    command = _own_command(configuration, entry, options)
    if command is not None:
        print_status(f"this would run: {shlex.join(command)}")
    configuration.print_diff(configuration.with_entry(fields), _shown(configuration, fields, entry))
    print_status("nothing was changed")
    return 0


def _own_command(configuration: HostConfiguration, entry: Entry, options: InstallOptions) -> list[str] | None:
    """Return the host's own command that adds the entry; None if the file must be edited instead."""
    own = configuration.host.own_command
    if own is None or configuration.entry is not None:
        return None
    # It gives the file its own form. That of a project is the user's.
    if configuration.file.text.strip() and (options.project or not own.keeps_others):
        return None
    return command_line(own, configuration.name, entry, project=options.project)


def _added_by_host(
    configuration: HostConfiguration, fields: Mapping[str, Any], entry: Entry, options: InstallOptions
) -> bool:
    """Let the host add the entry itself; return whether it did.

    Raises:
        HostError: its command failed, and has changed the file.
    """
    command = _own_command(configuration, entry, options)
    if command is None:
        return False
    file = configuration.file
    backup = file.back_up()
    problem = f"{command[0]} did not add the entry as expected"
    failed = False
    try:
        run(command, environment_without_settings(), working_directory() if options.project else Machine.this().home)
    except OwnCommandError as error:
        problem, failed = str(error), True
    now = _unbroken(configuration)
    if now is None:
        if backup is None:
            raise HostError(f"{problem}; it has created {file.path}: correct or delete it")
        raise HostError(f"{problem}; it has changed {file.path}, whose backup is {backup}")
    if failed or not is_same(now.entry, fields):
        print_status(f"{problem}; editing {file.path} instead")
        _write(now, fields, entry)
        return True
    print_result(f"{configuration.name} was added to {file.path} by {command[0]}")
    if backup is not None:
        print_result(f"The former file is {backup}")
    return True


def _unbroken(before: HostConfiguration) -> HostConfiguration | None:
    """Return the configuration as it is now; None if it is broken, or the other entries are not what they were."""
    try:
        now = before.read_again()
    except HostError:
        return None
    return now if now.others == before.others else None


def _write(configuration: HostConfiguration, fields: Mapping[str, Any], entry: Entry) -> None:
    text = configuration.with_entry(fields)
    if configuration.entry is not None:
        configuration.print_diff(text, _shown(configuration, fields, entry))
    backup = configuration.file.write(text, private=entry.contains_secret)
    done = "replaced in" if configuration.entry is not None else "added to"
    print_result(f"{configuration.name} was {done} {configuration.file.path}")
    if backup is not None:
        print_result(f"The former file is {backup}")
    if entry.contains_secret:
        names = ", ".join(sorted(entry.secrets))
        mode = "" if os.name == "nt" else "; only you can read it (mode 0600)"
        print_result(f"That file contains {names} as plain text, as {configuration.host.title} needs it{mode}")


def _print(options: InstallOptions) -> int:
    program = str(installed_program())
    environment: ServerEnvironment
    if _uses_sandbox(options):
        environment = sandbox_environment(options.env)
    elif options.key_store and not options.dry_run:
        try:
            environment = workspace_environment(options)
        except CheckFailedError:
            return 1
        environment.save_key()
    else:
        environment = planned_environment(options)
    entry = _entry(program, options, environment)
    variables = {
        name: _PLACEHOLDER.format(name.removeprefix("CUSTOMERIO_").lower()) if name in entry.secrets else value
        for name, value in entry.env.items()
    }
    shown = Entry(entry.command, entry.args, variables)
    print_result(json.dumps({MCP_SERVERS: {options.name: generic_fields(shown)}}, indent=2, ensure_ascii=False))
    if entry.contains_secret:
        print_status("replace what is in <> by the values; they are never printed")
    return 0
