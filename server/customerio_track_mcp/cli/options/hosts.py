"""Options of `install` and `uninstall`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class HostOptions:
    """What `install` and `uninstall` have in common.

    Attributes:
        host: the name of the host; None if another option says what to do.
        name: the name of the entry in its configuration.
        project: whether the entry is for the project in the working directory only.
        dry_run: whether to show the change and not make it.
    """

    host: str | None
    name: str
    project: bool = False
    dry_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class InstallOptions(HostOptions):
    """Options of `install`.

    Attributes:
        list: whether to list the hosts and what is attached to them.
        print: whether to print the entry for any other host.
        sandbox: whether the server uses a sandbox, or the base URL of the one to use.
        env: environment variables of the server; a value of None is that of this process.
        key_store: whether the key is kept in the operating system's key store; None to ask.
    """

    list: bool = False
    print: bool = False
    sandbox: bool | str = False
    env: Sequence[tuple[str, str | None]] = ()
    key_store: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class UninstallOptions(HostOptions):
    """Options of `uninstall`.

    Attributes:
        delete_key: whether to delete the entry's key from the operating system's key store too.
    """

    delete_key: bool = False
