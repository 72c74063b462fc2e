"""Which options and settings make the service reachable from other machines."""

from __future__ import annotations

from typing import Any

import pytest

from customerio_track_mcp.cli.main import main
from customerio_track_mcp.http.exposure import exposed_by
from customerio_track_mcp.settings.http import HttpSettings

LOCAL: list[tuple[str, dict[str, Any]]] = [
    ("127.0.0.1", {}),
    ("::1", {}),
    ("localhost", {}),
    ("127.0.0.1", {"public_url": "http://127.0.0.1:8000/mcp"}),
    ("127.0.0.1", {"public_url": "https://[::1]/mcp"}),
    ("127.0.0.1", {"allowed_hosts": "localhost,LOCALHOST:3000,[::1]:8000,127.0.0.7"}),
    ("127.0.0.1", {"allowed_origins": "http://localhost:3000,http://[::1]:3000,https://127.0.0.1"}),
]
REMOTE: list[tuple[str, dict[str, Any], list[str]]] = [
    ("0.0.0.0", {}, ["--host 0.0.0.0"]),
    ("127.0.0.1", {"public_url": "https://mcp.example.com/mcp"}, ["HTTP_PUBLIC_URL (https://mcp.example.com/mcp)"]),
    ("127.0.0.1", {"public_url": "https://localhost.example.com/"}, ["HTTP_PUBLIC_URL (https://localhost.exa"]),
    ("::1", {"allowed_hosts": "localhost,mcp.example.com:8443"}, ["HTTP_ALLOWED_HOSTS (mcp.example.com:8443)"]),
    ("::1", {"allowed_hosts": "192.0.2.7"}, ["HTTP_ALLOWED_HOSTS (192.0.2.7)"]),
    ("::1", {"allowed_hosts": "2001:db8::1"}, ["HTTP_ALLOWED_HOSTS ([2001:db8::1])"]),
    ("::1", {"allowed_origins": "https://app.example.com"}, ["HTTP_ALLOWED_ORIGINS (https://app.example.com)"]),
    (
        "192.0.2.1",
        {"public_url": "https://a.example/mcp", "allowed_hosts": "b.example", "allowed_origins": "https://c.example"},
        ["--host 192.0.2.1", "HTTP_PUBLIC_URL", "HTTP_ALLOWED_HOSTS", "HTTP_ALLOWED_ORIGINS"],
    ),
]


@pytest.mark.parametrize(("host", "settings"), LOCAL)
def test_loopback_names_expose_nothing(host: str, settings: dict[str, Any]) -> None:
    assert exposed_by(host, HttpSettings(**settings)) == []


@pytest.mark.parametrize(("host", "settings", "parts"), REMOTE)
def test_everything_that_exposes_the_service_is_refused_by_name(
    host: str,
    settings: dict[str, Any],
    parts: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    exposed = exposed_by(host, HttpSettings(**settings))
    assert [part for part, text in zip(parts, exposed, strict=True) if part not in text] == []
    for name, value in settings.items():
        monkeypatch.setenv(f"CUSTOMERIO_HTTP_{name.upper()}", value)
    assert main(["http", "--host", host, "--port", "0"]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert all(text in line for text in exposed)
    assert "without authentication the service is for this machine only" in line
    for remedy in ("CUSTOMERIO_HTTP_TOKENS", "CUSTOMERIO_HTTP_ISSUER", "--allow-unauthenticated"):
        assert remedy in line
