"""Validators shared by settings: case, lists of words, URLs."""

from __future__ import annotations

from urllib.parse import urlsplit

import httpx

from customerio_track_mcp.track import is_loopback


def upper(value: object) -> object:
    """Strip whitespace and convert to upper case."""
    return value.strip().upper() if isinstance(value, str) else value


def lower(value: object) -> object:
    """Strip whitespace and convert to lower case."""
    return value.strip().lower() if isinstance(value, str) else value


def split(value: object) -> object:
    """Split at commas and whitespace."""
    return value.replace(",", " ").split() if isinstance(value, str) else value


def validated_url(text: str, example: str) -> str:
    """Return `text` stripped of whitespace, if it is an https URL, or http on loopback.

    Args:
        text: the value of a setting.
        example: a URL to show in the message.

    Raises:
        ValueError: it is not such a URL, or contains a user, a query or a fragment. The message does not repeat it.
    """
    expected = f"invalid URL: expected one such as {example}, without user, query or fragment"
    text = text.strip()
    try:
        url, port = httpx.URL(text), urlsplit(text).port
        hostname = url.host
    except (httpx.InvalidURL, ValueError):
        raise ValueError(expected) from None
    if not hostname or port == 0 or url.query or url.fragment or url.userinfo or any(map(str.isspace, text)):
        raise ValueError(expected)
    if url.scheme != "https" and not (url.scheme == "http" and is_loopback(hostname)):
        raise ValueError(
            "must start with https:// (http:// is accepted for loopback only), so that nobody can eavesdrop"
        )
    return text
