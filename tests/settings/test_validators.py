"""Which URLs are accepted in settings."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from customerio_track_mcp.settings.errors import SettingsError
from customerio_track_mcp.settings.server import Settings

INVALID = "CUSTOMERIO_TRACK_URL: invalid URL: expected one such as https://track.example.com, without user"
NOT_HTTPS = "CUSTOMERIO_TRACK_URL: must start with https:// (http:// is accepted for loopback only)"


@pytest.mark.parametrize(
    "url",
    [
        "https://track.example.com",
        "https://gateway.example.com/customerio",
        "http://127.0.0.1:8765",
        "http://localhost:8765",
        "http://[::1]:8765",
    ],
)
def test_https_and_http_on_loopback_are_accepted(read_settings: Callable[..., Settings], url: str) -> None:
    assert read_settings(api_key="key", track_url=url).base_url == url


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("http://track.example.com", NOT_HTTPS),
        ("http://127.0.0.1.example.com", NOT_HTTPS),
        ("ftp://track.example.com", NOT_HTTPS),
        ("track.example.com", INVALID),
        ("https://user:word@track.example.com", INVALID),
        ("https://track.example.com?x=1", INVALID),
        ("https://", INVALID),
        ("https://example.com:abc", INVALID),
        ("https://example.com:99999", INVALID),
        ("https://xn--a/", INVALID),
        ("https://exa mple.com", INVALID),
        ("https://:word@track.example.com", INVALID),
    ],
)
def test_invalid_url_is_reported_without_its_content(
    read_settings: Callable[..., Settings], url: str, error: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        read_settings(api_key="key", track_url=url)
    (line,) = caught.value.problems
    assert line.startswith(error)
    assert "word" not in line
