"""Options of `sandbox`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from customerio_track_mcp.cli.options.stdio import SandboxPageOptions


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
