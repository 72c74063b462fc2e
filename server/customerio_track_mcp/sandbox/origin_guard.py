"""Reject requests that web pages of other sites send through the user's browser."""

from __future__ import annotations

from collections.abc import Collection
from ipaddress import ip_address
from typing import Final

from aiohttp import web

from customerio_track_mcp.sandbox.track_api import Handler

# Neither repeats what the client sent. The second avoids the word of the API key, which clients redact.
_CROSS_SITE: Final = "requests from other sites are rejected"
_OTHER_HOSTNAME: Final = "the hostname in Host is not accepted; to accept it, start with --allow-host NAME"


class CrossSiteGuard:
    """Rejects requests that a web page of another site sends through the user's browser.

    The browser marks such a request in `Origin` or `Sec-Fetch-Site`. After DNS rebinding it takes the request for
    same-origin, but `Host` contains the hostname of the other site; an IP address in `Host` cannot be rebound. A link
    from another site to the sandbox's page is accepted.

    Args:
        host: the address or hostname that the sandbox was started with.
        allowed_hosts: further hostnames that clients reach it by, as in a network of containers; with any port.
    """

    def __init__(self, host: str, allowed_hosts: Collection[str] = ()) -> None:
        self._own_hostnames = {"localhost", host.lower(), *(name.lower() for name in allowed_hosts)}

    async def handle(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Pass an accepted request to `handler`; respond 403 to any other."""
        if self._is_cross_site(request):
            return _forbidden(_CROSS_SITE)
        if not self._is_own_hostname(request.host):
            return _forbidden(_OTHER_HOSTNAME)
        return await handler(request)

    @staticmethod
    def _is_cross_site(request: web.Request) -> bool:
        if request.headers.get("Origin", request.host).rpartition("://")[2] != request.host:
            return True
        if request.headers.get("Sec-Fetch-Site", "none") in ("none", "same-origin"):
            return False
        fetch = (request.headers.get("Sec-Fetch-Mode"), request.headers.get("Sec-Fetch-Dest"))
        is_link_to_page = request.method == "GET" and request.path == "/" and fetch == ("navigate", "document")
        return not is_link_to_page

    def _is_own_hostname(self, host_header: str) -> bool:
        name, _, port = host_header.rpartition(":")
        hostname = name if port.isdecimal() else host_header
        if hostname.lower() in self._own_hostnames:
            return True
        try:
            ip_address(hostname.removeprefix("[").removesuffix("]"))
        except ValueError:
            return False
        return True


def _forbidden(reason: str) -> web.Response:
    return web.json_response({"meta": {"error": reason}}, status=403)
