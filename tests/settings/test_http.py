"""The HTTP service's settings: which values are invalid, and how they are reported."""

from __future__ import annotations

import sys

import pytest

from customerio_track_mcp.settings.errors import SettingsError
from customerio_track_mcp.settings.http import HttpSettings


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({"issuer": "https://a.example"}, "and CUSTOMERIO_HTTP_JWKS_URL must be set together"),
        ({"issuer": "https://a.example", "jwks_url": "https://a.example/k"}, "HTTP_PUBLIC_URL must be set"),
        ({"worker_timeout": "0.5"}, "CUSTOMERIO_HTTP_WORKER_TIMEOUT: Input should be greater than or equal to 1"),
        ({"audience": "x"}, "have no effect without CUSTOMERIO_HTTP_ISSUER"),
        ({"jwks_url": "http://a.example/k"}, "CUSTOMERIO_HTTP_JWKS_URL: must start with https://"),
        ({"issuer": "ftp://a.example"}, "CUSTOMERIO_HTTP_ISSUER: must start with https://"),
        (
            {"public_url": "https://user@a.example/mcp"},
            "CUSTOMERIO_HTTP_PUBLIC_URL: invalid URL: expected one such as",
        ),
        ({"allowed_origins": "a.example"}, "CUSTOMERIO_HTTP_ALLOWED_ORIGINS: invalid origin: expected one such as"),
        ({"grace_period": "-1"}, "CUSTOMERIO_HTTP_GRACE_PERIOD: "),
        ({"parser": "llhttp"}, "CUSTOMERIO_HTTP_PARSER: Input should be 'auto', 'h11' or 'httptools'"),
    ],
)
def test_invalid_settings_are_reported(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], expected: str
) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(f"CUSTOMERIO_HTTP_{name.upper()}", value)
    with pytest.raises(SettingsError, match="CUSTOMERIO_HTTP_") as raised:
        HttpSettings.from_environment()
    assert expected in raised.value.problems[0]


def test_parser_that_is_not_installed_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "httptools", None)  # as if it were not
    monkeypatch.setenv("CUSTOMERIO_HTTP_PARSER", "HttpTools")
    with pytest.raises(SettingsError) as raised:
        HttpSettings.from_environment()
    expected = "httptools is not installed: install the extra 'fast', or use auto or h11"
    assert raised.value.problems == [f"CUSTOMERIO_HTTP_PARSER: {expected}"]
    monkeypatch.setenv("CUSTOMERIO_HTTP_PARSER", "auto")
    assert HttpSettings.from_environment().parser == "auto"
