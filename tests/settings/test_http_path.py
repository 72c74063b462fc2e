"""The path at which MCP is served."""

from __future__ import annotations

import pytest

from customerio_track_mcp.settings.errors import SettingsError
from customerio_track_mcp.settings.http import HttpSettings


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("/mcp", "/mcp"),
        ("/customerio/mcp", "/customerio/mcp"),
        (" /customerio/mcp/ ", "/customerio/mcp"),
        ("/", "/"),
        ("/metrics/mcp", "/metrics/mcp"),
        ("/v1.0/~team_a/mcp-1", "/v1.0/~team_a/mcp-1"),
    ],
)
def test_paths_are_accepted(monkeypatch: pytest.MonkeyPatch, value: str, expected: str) -> None:
    monkeypatch.setenv("CUSTOMERIO_HTTP_PATH", value)
    assert HttpSettings.from_environment().path == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("mcp", "did you mean /mcp?"),
        ("https://mcp.example.com/customerio/mcp", "did you mean /customerio/mcp?"),
        ("/mcp?x=1", "did you mean /mcp?"),
        ("/mcp#x", "did you mean /mcp?"),
        ("//mcp", "expected one such as"),
        ("/a//b", "did you mean /a/b?"),
        ("/mcp//", "did you mean /mcp?"),
        ("/{tenant}/mcp", "without scheme, hostname and query"),
        ("/a b", "expected one such as"),
        ("/a%20b", "expected one such as"),
        ("/a/../b", "expected one such as"),
        ("/ä", "expected one such as"),
        ("/healthz", "serve something else"),
        ("/readyz/", "serve something else"),
        ("/metrics", "serve something else"),
        ("/.well-known/oauth-protected-resource", "serve something else"),
        ("/.well-known", "serve something else"),
    ],
)
def test_invalid_paths_are_reported(monkeypatch: pytest.MonkeyPatch, value: str, expected: str) -> None:
    monkeypatch.setenv("CUSTOMERIO_HTTP_PATH", value)
    with pytest.raises(SettingsError) as raised:
        HttpSettings.from_environment()
    (problem,) = raised.value.problems
    assert problem.startswith("CUSTOMERIO_HTTP_PATH: invalid path: ")
    assert expected in problem
