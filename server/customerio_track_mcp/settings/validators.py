"""Which URLs a setting may name."""

from __future__ import annotations

from urllib.parse import urlsplit

import httpx

from customerio_track_mcp.track import is_loopback


def checked_url(text: str, example: str) -> str:
    """`text` without white space around it, if it is an https URL (or http on loopback) and nothing more.

    Raises:
        ValueError: it is not; the text is for whoever set it, with an `example`, and repeats nothing of the URL.
    """
    shape = f"has to be a URL such as {example}, without user, query or fragment"
    text = text.strip()
    try:
        url, port = httpx.URL(text), urlsplit(text).port
        host = url.host
    except (httpx.InvalidURL, ValueError):
        raise ValueError(shape) from None
    if not host or port == 0 or url.query or url.fragment or url.userinfo or any(map(str.isspace, text)):
        raise ValueError(shape)
    if url.scheme != "https" and not (url.scheme == "http" and is_loopback(host)):
        raise ValueError("has to begin with https:// (http:// serves on loopback only), so that nobody reads along")
    return text
