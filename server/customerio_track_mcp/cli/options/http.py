"""Options of `http` and of its worker processes."""

from __future__ import annotations

from dataclasses import dataclass

from customerio_track_mcp.cli.options.stdio import StdioOptions


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
