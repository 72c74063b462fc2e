"""A local Track API for trials and tests: real HTTP, no account, and nothing leaves the machine.

It is written from the vendor's documentation and imports nothing from the rest of this package, so that a mistake in
the client cannot hide in the sandbox. Like the real API, it returns 200 for data that it drops. Unlike the real API, it
records what it dropped, with the reason.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

from customerio_track_mcp.sandbox.credentials import SANDBOX_API_KEY, SANDBOX_SITE_ID

if TYPE_CHECKING:
    from customerio_track_mcp.sandbox.certificate import (
        CERTIFICATE_ORGANIZATION,
        CertificateError,
        LocalCertificate,
        create_certificate,
    )
    from customerio_track_mcp.sandbox.handle import SandboxHandle
    from customerio_track_mcp.sandbox.records import Dropped
    from customerio_track_mcp.sandbox.server import RunningSandbox, run_sandbox
    from customerio_track_mcp.sandbox.snapshots import Event, Person, Request, Segment
    from customerio_track_mcp.sandbox.storage import DataFileError
    from customerio_track_mcp.sandbox.threaded import Sandbox

__all__ = [
    "CERTIFICATE_ORGANIZATION",
    "SANDBOX_API_KEY",
    "SANDBOX_SITE_ID",
    "CertificateError",
    "DataFileError",
    "Dropped",
    "Event",
    "LocalCertificate",
    "Person",
    "Request",
    "RunningSandbox",
    "Sandbox",
    "SandboxHandle",
    "Segment",
    "create_certificate",
    "run_sandbox",
]

_MODULES: Final = {
    "CERTIFICATE_ORGANIZATION": "certificate",
    "CertificateError": "certificate",
    "DataFileError": "storage",
    "Dropped": "records",
    "Event": "snapshots",
    "LocalCertificate": "certificate",
    "Person": "snapshots",
    "Request": "snapshots",
    "RunningSandbox": "server",
    "Sandbox": "threaded",
    "SandboxHandle": "handle",
    "Segment": "snapshots",
    "create_certificate": "certificate",
    "run_sandbox": "server",
}
"""Where names are from that are loaded on first use: a server needs the credentials, to know a sandbox by them."""


def __getattr__(name: str) -> object:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_MODULES})
