"""The options of each command, as the parser returns them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxPageOptions:
    """What can be chosen for every sandbox, embedded or alone.

    Attributes:
        data: the file that keeps its state; None for memory only.
        open: whether to open its page in the browser.
    """

    data: Path | None = None
    open: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class StdioOptions(SandboxPageOptions):
    """Options of `stdio`.

    Attributes:
        sandbox: whether calls go to a sandbox, or the base URL of the one to use.
        dry_run: whether nothing is sent, whatever the settings say.
    """

    sandbox: bool | str = False
    dry_run: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpOptions(StdioOptions):
    """Options of `http`.

    Attributes:
        host: the address to listen on.
        port: 0 for any free port.
        workers: the number of processes behind the port.
        allow_unauthenticated: whether the service may be for other machines without authentication.
    """

    host: str
    port: int
    workers: int
    allow_unauthenticated: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class SandboxOptions(SandboxPageOptions):
    """Options of `sandbox`.

    Attributes:
        host: the address to listen on.
        port: 0 for any free port.
        tls: whether to serve https.
        ca_file: where the CA certificate is written; None for the default file.
        allow_hosts: hostnames that clients reach it by, besides `localhost` and `host`.
    """

    host: str
    port: int
    tls: bool = False
    ca_file: Path | None = None
    allow_hosts: Sequence[str] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoOptions:
    """Options of `demo`.

    Attributes:
        open: whether to show it on the sandbox's page, which stays until it is stopped.
    """

    open: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckOptions:
    """Options of `check`.

    Attributes:
        sandbox: whether to check the sandbox instead of the workspace, or the base URL of the one to check.
    """

    sandbox: bool | str = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenOptions:
    """Options of `token`.

    Attributes:
        name: the caller that the token is for.
        scopes: what the caller may do; empty for every tool.
        quiet: whether to print the token and the entry alone.
    """

    name: str
    scopes: Sequence[str] = ()
    quiet: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LogOptions:
    """Options of `log`.

    Attributes:
        files: the write logs; `-` is standard input.
        since: the time from which on calls count; None for all.
        json: whether to print JSON.
    """

    files: Sequence[str]
    since: datetime | None = None
    json: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RehearseOptions:
    """Options of `rehearse`.

    Attributes:
        scenarios: names of scenarios that ship, files and folders; empty for all that ship.
        agent: the agent's command; None if `list` is set.
        list: whether to list the scenarios that ship.
        timeout: seconds for each scenario.
        json: whether to print JSON.
        junit: the file to write JUnit XML to; None for none.
    """

    scenarios: Sequence[str] = ()
    agent: str | None = None
    list: bool = False
    timeout: float
    json: bool = False
    junit: Path | None = None


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


@dataclass(frozen=True, slots=True, kw_only=True)
class HelpOptions:
    """Options of `help`.

    Attributes:
        command: the command to show the help of; None for that of all.
    """

    command: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerOptions:
    """What a worker process of `http` cannot read from the environment.

    Attributes:
        host: the address that the supervisor listens on.
        workers: the number of workers, which divide the rate limit.
        descriptor: the file descriptor of the listening socket.
        sandbox_url: the sandbox that the supervisor uses; None for the workspace in the settings.
        dry_run: whether nothing is sent, whatever the settings say.
    """

    host: str
    workers: int
    descriptor: int
    sandbox_url: str | None
    dry_run: bool
