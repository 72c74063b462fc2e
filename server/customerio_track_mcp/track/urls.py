"""Which base URLs are accepted, by the client and in settings."""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import urlsplit

from customerio_track_mcp.track.loopback import is_loopback
from customerio_track_mcp.track.regions import Region

_API_PATH: Final = "/api/v1"
_PLAIN: Final = re.compile(
    r"https?://(?:127\.0\.0\.1|(?:[a-z0-9-]+\.)*[a-z][a-z0-9-]*)(?::[0-9]{1,5})?(?:/[A-Za-z0-9/._-]*)?"
)
"""URLs that need no parser but the standard library's."""
_NEVER_IN_URLS: Final = frozenset('<>{}|^`"\\')
"""Characters that RFC 3986 excludes; in a setting they come from a placeholder that was not replaced."""

_NOT_HTTPS: Final = "must start with https:// (http:// is accepted for loopback only), so that nobody can eavesdrop"


def validated_url(text: str, example: str, *, allow_http: bool = False) -> str:
    """Return `text` stripped of whitespace, if it is an https URL, or http on loopback.

    Args:
        text: the value of a setting or a parameter.
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
        scheme, hostname = _scheme_and_hostname(text)
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise ValueError(expected) from None
    # An empty user, query or fragment counts, too: a path that is appended to "https://host?" is part of the query.
    if not hostname or port == 0 or "@" in parts.netloc or any(c in "?#" or c.isspace() for c in text):
        raise ValueError(expected)
    if allow_http and scheme not in ("http", "https"):
        raise ValueError("must start with http:// or https://")
    if not allow_http and scheme != "https" and not (scheme == "http" and is_loopback(hostname)):
        raise ValueError(_NOT_HTTPS)
    return text


def is_plain(url: str) -> bool:
    """Return whether `url` is so simple that no library reads it in another way."""
    return _PLAIN.fullmatch(url) is not None and "xn--" not in url


def _scheme_and_hostname(url: str) -> tuple[str, str]:
    """Return the scheme and the hostname of a URL as httpx reads them.

    Raises:
        ValueError: it is invalid.
    """
    if is_plain(url):
        parts = urlsplit(url)
        return parts.scheme, parts.hostname or ""
    import httpx  # takes a while, and most URLs are plain

    try:
        parsed = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise ValueError(str(error)) from None
    return parsed.scheme, parsed.host


def without_api_path(url: str) -> str:
    """Return a base URL without `/api/v1` at its end, as vendor SDKs write it, and without a final slash.

    Args:
        url: a valid URL without a query and a fragment.
    """
    url = url.rstrip("/")
    if urlsplit(url).path.lower().endswith(_API_PATH):
        url = url[: -len(_API_PATH)].rstrip("/")
    return url


def read_base_url(base_url: str, *, allow_http: bool = False) -> str:
    """Return the parameter `base_url` of a client in the form to which paths are appended.

    Args:
        base_url: an https URL, or http on loopback; `/api/v1` at its end is removed.
        allow_http: whether http is valid for other hostnames, too.

    Raises:
        ValueError: it is not such a URL, or contains a user, a query or a fragment. The message names `base_url`, and
            does not repeat it.
    """
    example = Region.US.track_url
    if not isinstance(base_url, str) or "://" not in base_url:
        raise ValueError(f"base_url: must be a whole URL, such as Region.US.track_url ({example})")
    try:
        return without_api_path(validated_url(base_url, example, allow_http=allow_http))
    except ValueError as error:
        hint = "; for a sandbox elsewhere, pass allow_http=True" if str(error) == _NOT_HTTPS else ""
        raise ValueError(f"base_url: {error}{hint}") from None
