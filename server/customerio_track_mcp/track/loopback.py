"""Which addresses are on this machine."""

from __future__ import annotations

from ipaddress import ip_address


def is_loopback(hostname: str) -> bool:
    """Return whether `hostname`, a name or an address without brackets, is this machine's loopback."""
    if hostname == "localhost":
        return True
    try:
        return ip_address(hostname).is_loopback
    except ValueError:
        return False
