"""The hostnames and origins that the service accepts, against DNS rebinding and cross-site requests."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from mcp.server.transport_security import TransportSecuritySettings

from customerio_track_mcp.settings.http import HttpSettings
from customerio_track_mcp.track import is_loopback

_ALL_INTERFACES: Final = ("0.0.0.0", "::")  # noqa: S104 - only compared with
_LOOPBACK: Final = ("127.0.0.1", "localhost", "[::1]")


def bracketed(host: str) -> str:
    """Return an address as a URL contains it: IPv6 in brackets."""
    return f"[{host}]" if ":" in host else host


def accepted_hostnames(host: str, settings: HttpSettings) -> frozenset[str]:
    """Return the hostnames, in lower case, that a request's `Host` header may contain.

    Args:
        host: the address that the service listens on.
        settings: the public URL, and further hostnames.
    """
    public = {_authority(settings.public_url)} if settings.public_url else set()
    bound = set() if host in _ALL_INTERFACES else {bracketed(host)}
    return frozenset(name.lower() for name in {*_LOOPBACK, *bound, *settings.allowed_hosts, *public})


def transport_security(host: str, settings: HttpSettings) -> TransportSecuritySettings:
    """Return what the SDK checks `Host` and `Origin` against.

    Args:
        host: the address that the service listens on.
        settings: further hostnames and origins.
    """
    local_names = (*_LOOPBACK, bracketed(host)) if is_loopback(host) else ()
    local_origins = [f"http://{name}{port}" for name in local_names for port in ("", ":*")]
    return TransportSecuritySettings(
        enable_dns_rebinding_protection=True,
        allowed_hosts=[pattern for name in accepted_hostnames(host, settings) for pattern in (name, f"{name}:*")],
        allowed_origins=[*local_origins, *settings.allowed_origins],
    )


def _authority(url: str) -> str:
    """Return hostname and port as a `Host` header contains them: without the scheme's default port."""
    parts = urlsplit(url)
    default = {"http": 80, "https": 443}[parts.scheme]
    return bracketed(parts.hostname or "") + (f":{parts.port}" if parts.port not in (None, default) else "")
