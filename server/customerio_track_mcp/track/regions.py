"""Where the Track API is: one host in each of Customer.io's two regions (vendor's OpenAPI document, `servers`)."""

from __future__ import annotations

from enum import StrEnum
from ipaddress import ip_address
from urllib.parse import urlsplit


class Region(StrEnum):
    """Where a workspace's data lives; chosen when the workspace was made, and fixed."""

    US = "US"
    EU = "EU"

    @property
    def track_url(self) -> str:
        """The base URL of the Track API in this region."""
        return _TRACK_URLS[self]


_TRACK_URLS = {
    Region.US: "https://track.customer.io",
    Region.EU: "https://track-eu.customer.io",
}


def region_of(url: str) -> Region | None:
    """The region whose Track API host `url` names, or None where it names neither."""
    host = urlsplit(url).hostname
    return next((region for region in Region if urlsplit(region.track_url).hostname == host), None)


def is_loopback(host: str) -> bool:
    """Whether `host`, a name or an address without brackets, is this machine's own loopback."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False
