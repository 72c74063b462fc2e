"""Hostnames and origins in settings, and in the headers of requests."""

from __future__ import annotations

import pytest

from customerio_track_mcp.settings.allow_lists import canonical_hostname, canonical_origin
from customerio_track_mcp.settings.errors import SettingsError
from customerio_track_mcp.settings.http import HttpSettings

HOSTS = "CUSTOMERIO_HTTP_ALLOWED_HOSTS"
ORIGINS = "CUSTOMERIO_HTTP_ALLOWED_ORIGINS"


def problem_of(monkeypatch: pytest.MonkeyPatch, variable: str, value: str) -> str:
    """Return how an invalid value is reported."""
    monkeypatch.setenv(variable, value)
    with pytest.raises(SettingsError) as raised:
        HttpSettings.from_environment()
    (problem,) = raised.value.problems
    assert problem.startswith(f"{variable}: ")
    return problem


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("mcp.example.com", {"mcp.example.com"}),
        ("MCP.Example.com, b.example:8443", {"mcp.example.com", "b.example:8443"}),
        ("a.example:443 a.example.", {"a.example", "a.example."}),
        ("mcp_1 mcp-1.svc.cluster.local", {"mcp_1", "mcp-1.svc.cluster.local"}),
        ("10.0.0.7 10.0.0.7:9000", {"10.0.0.7", "10.0.0.7:9000"}),
        ("fd00::1,[FD00:0:0::2],[fd00::3]:8000", {"[fd00::1]", "[fd00::2]", "[fd00::3]:8000"}),
        ("xn--bcher-kva.example", {"xn--bcher-kva.example"}),
    ],
)
def test_hostnames_are_accepted(monkeypatch: pytest.MonkeyPatch, value: str, expected: set[str]) -> None:
    monkeypatch.setenv(HOSTS, value)
    assert HttpSettings.from_environment().allowed_hosts == expected


@pytest.mark.parametrize(
    ("value", "meant"),
    [
        ("https://mcp.example.com", "mcp.example.com"),
        ("https://user:secret@mcp.example.com:8443/mcp?x#y", "mcp.example.com:8443"),
        ("//mcp.example.com", "mcp.example.com"),
        ("mcp.example.com/mcp", "mcp.example.com"),
        ("mcp.example.com//x", "mcp.example.com"),
        ("mcp.example.com:*", "mcp.example.com"),
        ('["mcp.example.com"]', "mcp.example.com"),
        ('["a.example", "b.example:8443"]', "a.example,b.example:8443"),
        ('[ "a.example" ]', "a.example"),
        ('"a.example"', "a.example"),
        ("a.example, https://b.example", "a.example,b.example"),
        ("bücher.example", "xn--bcher-kva.example"),
        ("*", None),
        ("*.example.com", None),
        ("a.example:0", None),
        ("a.example:65536", None),
        ("a.example:http", None),
        ("-a.example", None),
        ("a..example", None),
        ("fe80::1%eth0", None),
        ("[10.0.0.7]", "10.0.0.7"),
        (f"{'a' * 64}.example", None),
        (".".join(["a" * 60] * 5), None),
    ],
)
def test_invalid_hostnames_are_reported_with_what_is_meant(
    monkeypatch: pytest.MonkeyPatch, value: str, meant: str | None
) -> None:
    problem = problem_of(monkeypatch, HOSTS, value)
    assert "expected one such as mcp.example.com" in problem
    assert problem.partition("; did you mean ")[2] == (f"{meant}?" if meant else "")
    assert "secret" not in problem


def test_position_of_an_invalid_entry_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "entry 2: invalid hostname" in problem_of(monkeypatch, HOSTS, "a.example, *, b.example")
    monkeypatch.delenv(HOSTS)
    assert "entry 3: invalid origin" in problem_of(monkeypatch, ORIGINS, "https://a.example app://b *")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("https://app.example.com,http://localhost:3000", {"https://app.example.com", "http://localhost:3000"}),
        ("HTTPS://App.Example.com:443", {"https://app.example.com"}),
        ("http://[::1]:3000 http://a.example:443", {"http://[::1]:3000", "http://a.example:443"}),
        (
            "chrome-extension://aapbdbdomjkkjkaonfhkkikfgjllcleb",
            {"chrome-extension://aapbdbdomjkkjkaonfhkkikfgjllcleb"},
        ),
        (
            "moz-extension://8e0a2e2c-1f5b-4a53-9c56-2f4c4ec4b3f1",
            {"moz-extension://8e0a2e2c-1f5b-4a53-9c56-2f4c4ec4b3f1"},
        ),
        ("tauri://localhost app://obsidian.md app://-", {"tauri://localhost", "app://obsidian.md", "app://-"}),
        ("vscode-webview://1kV0T", {"vscode-webview://1kV0T"}),
        ("capacitor://localhost:8100", {"capacitor://localhost:8100"}),
    ],
)
def test_origins_are_accepted(monkeypatch: pytest.MonkeyPatch, value: str, expected: set[str]) -> None:
    monkeypatch.setenv(ORIGINS, value)
    assert HttpSettings.from_environment().allowed_origins == expected


@pytest.mark.parametrize(
    ("value", "meant"),
    [
        ("app.example.com", "https://app.example.com"),
        ("https://app.example.com/", "https://app.example.com"),
        ("https://user:secret@app.example.com/page", "https://app.example.com"),
        ('["https://app.example.com"]', "https://app.example.com"),
        ("https://app.example.com:*", "https://app.example.com"),
        ("wss://app.example.com", "https://app.example.com"),
        ("chrome-extension://abc/", "chrome-extension://abc"),
        ("chrome-extension://*", None),
        ("chrome-extension://", None),
        ("*", None),
        ("https://*.example.com", None),
        ("data:text/html,x", None),
    ],
)
def test_invalid_origins_are_reported_with_what_is_meant(
    monkeypatch: pytest.MonkeyPatch, value: str, meant: str | None
) -> None:
    problem = problem_of(monkeypatch, ORIGINS, value)
    assert "expected one such as https://app.example.com" in problem
    assert problem.partition("; did you mean ")[2] == (f"{meant}?" if meant else "")
    assert "secret" not in problem


@pytest.mark.parametrize("value", ["null", "file://", "file:///home", "https://a.example,null", '["null"]', "NULL"])
def test_origins_that_any_file_has_are_refused(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    assert "null and file:// cannot be allowed" in problem_of(monkeypatch, ORIGINS, value)


@pytest.mark.parametrize(
    "text", ["", ":8000", "a b", "a\r\nb", "a\x00", "ann@example.com", "‮.example", "a" * 10_000, "a/b", "é.example"]
)
def test_other_text_is_not_a_hostname(text: str) -> None:
    assert canonical_hostname(text) == ""
    assert canonical_origin(f"https://{text}") == canonical_origin(f"app://{text}") == ""
