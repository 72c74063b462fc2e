"""Validators shared by settings: case, lists of words, URLs."""

from __future__ import annotations

from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import httpx

from customerio_track_mcp.track import is_loopback

_API_PATH: Final = "/api/v1"
_NEVER_IN_URLS: Final = frozenset('<>{}|^`"\\')
"""Characters that RFC 3986 excludes; in a setting they come from a placeholder that was not replaced."""


def upper(value: object) -> object:
    """Strip whitespace and convert to upper case."""
    return value.strip().upper() if isinstance(value, str) else value


def lower(value: object) -> object:
    """Strip whitespace and convert to lower case."""
    return value.strip().lower() if isinstance(value, str) else value


def split(value: object) -> object:
    """Split at commas and whitespace."""
    return value.replace(",", " ").split() if isinstance(value, str) else value


def absolute_path(value: object) -> object:
    """Strip whitespace and replace `~`, as a shell does: hosts start the server without one, in any folder.

    Raises:
        ValueError: it is not the absolute path of a file.
    """
    if not isinstance(value, str | Path):
        return value
    try:
        path = Path(str(value).strip()).expanduser()
    except RuntimeError:
        raise ValueError("its home directory is unknown") from None
    if not path.is_absolute() or not path.name or "\0" in str(path):
        raise ValueError("expected the absolute path of a file, which need not exist")
    return path


def without_api_path(url: str) -> str:
    """Return a base URL without `/api/v1` at its end, as vendor SDKs write it, and without a final slash.

    Args:
        url: a valid URL without a query and a fragment.
    """
    url = url.rstrip("/")
    if urlsplit(url).path.lower().endswith(_API_PATH):
        url = url[: -len(_API_PATH)].rstrip("/")
    return url


def validated_url(text: str, example: str, *, allow_http: bool = False) -> str:
    """Return `text` stripped of whitespace, if it is an https URL, or http on loopback.

    Args:
        text: the value of a setting.
        example: a URL to show in the message.
        allow_http: whether http is valid for other hostnames, too.

    Raises:
        ValueError: it is not such a URL, or contains a user, a query or a fragment. The message does not repeat it.
    """
    expected = f"invalid URL: expected one such as {example}, without user, query or fragment"
    text = text.strip()
    if not _NEVER_IN_URLS.isdisjoint(text):
        raise ValueError(expected)
    try:
        url, port = httpx.URL(text), urlsplit(text).port
        hostname = url.host
    except (httpx.InvalidURL, ValueError):
        raise ValueError(expected) from None
    if not hostname or port == 0 or url.query or url.fragment or url.userinfo or any(map(str.isspace, text)):
        raise ValueError(expected)
    if allow_http and url.scheme not in ("http", "https"):
        raise ValueError("must start with http:// or https://")
    if not allow_http and url.scheme != "https" and not (url.scheme == "http" and is_loopback(hostname)):
        raise ValueError(
            "must start with https:// (http:// is accepted for loopback only), so that nobody can eavesdrop"
        )
    return text
