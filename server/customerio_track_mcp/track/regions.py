"""The two regions of Customer.io and their Track API hosts (the vendor's OpenAPI document, `servers`)."""

from __future__ import annotations

from enum import StrEnum
from urllib.parse import urlsplit


class Region(StrEnum):
    """Where a workspace's data is stored. A workspace cannot change its region."""

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
    """Return the region whose Track API `url` points to; None if it points elsewhere."""
    hostname = urlsplit(url).hostname
    return next((region for region in Region if urlsplit(region.track_url).hostname == hostname), None)
