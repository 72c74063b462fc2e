"""The Track API that a server's calls go to, and what processes with the same one share."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from enum import Enum
from typing import Final

from customerio_track_mcp.settings.errors import SettingsError
from customerio_track_mcp.settings.server import Settings


class Destination(Enum):
    """Where the calls of a server go: what a model must know before it makes one."""

    WORKSPACE = "workspace"
    SANDBOX = "sandbox"
    NOWHERE = "nowhere"
    """A dry run, whatever it is a rehearsal for."""


SANDBOX_NAME: Final = "customerio-track-mcp sandbox"
"""The name with which a sandbox identifies itself at `GET /_sandbox`."""

RecordCall = Callable[[Mapping[str, object]], None]
"""Receives the fields of the sandbox's `ToolCall`, as JSON values."""


@dataclass(frozen=True, slots=True)
class Upstream:
    """The Track API that calls go to.

    Attributes:
        settings: credentials, retries, rate limit and logs.
        base_url: the Track API's base URL.
        note: what the model must know about it; a line of the server's instructions.
        is_sandbox: whether it is a sandbox rather than Customer.io.
        record_call: adds a tool call to the timeline of a sandbox in this process; None if there is none.
    """

    settings: Settings
    base_url: str
    note: str = ""
    is_sandbox: bool = False
    record_call: RecordCall | None = None

    @property
    def destination(self) -> Destination:
        """Where calls go."""
        if self.settings.dry_run:
            return Destination.NOWHERE
        return Destination.SANDBOX if self.is_sandbox else Destination.WORKSPACE


def workspace_key(upstream: Upstream) -> str:
    """Return what all processes that write to one workspace have in common, without revealing the Site ID."""
    credentials = upstream.settings.credentials
    site_id = credentials.site_id if credentials else ""
    return hashlib.sha256(f"{upstream.base_url} {site_id}".encode()).hexdigest()[:16]


@contextmanager
def storage_errors() -> Iterator[None]:
    """Report errors of the block, which opens the storage of the rate limit.

    Raises:
        SettingsError: the storage cannot be used.
    """
    try:
        yield
    except ImportError:
        raise SettingsError(
            ["CUSTOMERIO_RATE_LIMIT_STORAGE names Redis, which needs more packages: install the extra 'redis'"]
        ) from None
    except ValueError as error:
        raise SettingsError(
            [f"CUSTOMERIO_RATE_LIMIT_STORAGE: invalid URL: expected redis://HOST:PORT/DB; {error}"]
        ) from None
