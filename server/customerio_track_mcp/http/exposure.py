"""What makes a service reachable from other machines, so that it must authenticate its callers.

A service on loopback is reachable too if a proxy on the same machine passes requests on to it: the settings for such a
proxy are the sign of it.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from customerio_track_mcp.settings.http import HttpSettings
from customerio_track_mcp.track import is_loopback, shorten


def exposed_by(host: str, settings: HttpSettings) -> list[str]:
    """Return the options and settings that name something else than this machine, each with its value.

    Args:
        host: the address to listen on.
        settings: the public URL, and the allowed hostnames and origins.

    Returns:
        One text for each, such as `--host 0.0.0.0`; empty if the service is for this machine only.
    """
    found = [] if is_loopback(host) else [f"--host {host}"]
    named = {
        "public_url": [settings.public_url] if settings.public_url else [],
        "allowed_hosts": [f"//{name}" for name in sorted(settings.allowed_hosts)],
        "allowed_origins": sorted(settings.allowed_origins),
    }
    for field, urls in named.items():
        if remote := [url for url in urls if not _is_local(url)]:
            found.append(f"{settings.variable(field)} ({shorten(remote[0].removeprefix('//'), 80)})")
    return found


def _is_local(url: str) -> bool:
    """Return whether the hostname of `url` is loopback; its port does not matter."""
    try:
        hostname = urlsplit(url).hostname
    except ValueError:
        return False
    return hostname is not None and is_loopback(hostname)
