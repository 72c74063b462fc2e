"""The HTTP service's settings: which values are invalid, and how they are reported."""

from __future__ import annotations

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
