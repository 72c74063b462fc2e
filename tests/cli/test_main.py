"""The parser, in this process; tests/integration/test_cli.py runs the command itself."""

from __future__ import annotations

from pathlib import Path

import pytest

from customerio_track_mcp.cli.main import main
from customerio_track_mcp.http.auth.scopes import TOOL_SCOPES
from customerio_track_mcp.http.auth.static_tokens import StaticTokens


@pytest.mark.parametrize(
    "arguments",
    [
        ["serve"],
        ["http", "--port", "x"],
        ["http", "--port", "65536"],
        ["--sandbx"],
        ["--open"],
        ["http", "--data", "x"],
        ["sandbox", "--ca-file", "ca.pem"],
    ],
)
def test_invalid_usage_is_status_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    assert exit_.value.code == 2
    assert "usage: customerio-track-mcp" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "usage"),
    [
        (["http", "--prt", "1"], "http [-h] [--host"),
        (["http", "--port", "x"], "http [-h] [--host"),
        (["http", "extra"], "http [-h] [--host"),
        (["http", "--data", "x"], "http [-h] [--host"),
        (["--sandbx"], "stdio [-h] [--sandbox"),
        (["--env-file", "x", "--open"], "stdio [-h] [--sandbox"),
        (["sandbox", "--workers", "2"], "sandbox [-h] [--host"),
        (["check", "--data", "x"], "check [-h] [--sandbox"),
        (["--sandbox", "http://127.0.0.1:1", "--data", "x"], "stdio [-h] [--sandbox"),
        (["token", "ann", "--scop", "x"], "token [-h] [--scope"),
        (["demo", "now"], "demo [-h] [--open"),
    ],
)
def test_invalid_option_shows_the_usage_of_its_command(
    arguments: list[str], usage: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    assert exit_.value.code == 2
    assert f"usage: customerio-track-mcp {usage}" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["--sandbox", "http"], "'http' is not a URL; a command comes first: customerio-track-mcp http --sandbox"),
        (["--sandbox", "check"], "'check' is not a URL; a command comes first: customerio-track-mcp check --sandbox"),
        (
            ["install", "--sandbox", "cursor"],
            "'cursor' is not a URL; the host comes first: customerio-track-mcp install cursor --sandbox",
        ),
        (["--sandbox", "127.0.0.1:8765"], "invalid URL: expected one such as http://127.0.0.1:8765"),
        (["--sandbox", "localhost"], "invalid URL: expected one such as http://127.0.0.1:8765"),
        (["http", "--sandbox", "ftp://127.0.0.1"], "must start with http:// or https://"),
        (["check", "--sandbox=http://a:secret@127.0.0.1"], "invalid URL: expected one such as http://127.0.0.1:8765"),
        (
            ["--sandbox=http://127.0.0.1:1", "--data", "x"],
            "--data needs a sandbox of its own: leave it out, or the URL",
        ),
    ],
)
def test_a_value_that_is_not_the_url_of_a_sandbox_is_reported_with_what_was_meant(
    arguments: list[str], problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    assert exit_.value.code == 2
    error = capsys.readouterr().err
    assert problem in error
    assert "secret" not in error


@pytest.mark.parametrize(
    ("options", "scopes"),
    [
        ([], []),
        (["--scope", "events:write"], ["events:write"]),
        (["--scope", "events:write", "--scope", "metrics:read"], ["events:write", "metrics:read"]),
        (["--scope", "events:write,metrics:read"], ["events:write", "metrics:read"]),
    ],
)
def test_quiet_token_is_two_lines_for_a_script(
    options: list[str], scopes: list[str], capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert main(["token", "ann", *options, "--quiet"]) == 0
    captured = capsys.readouterr()
    token, entry = captured.out.splitlines()
    assert captured.err == ""
    (tmp_path / "tokens").write_text(f"{entry}\n", encoding="utf-8")
    access = StaticTokens(None, tmp_path / "tokens").verify(token)
    assert access is not None
    assert access.client_id == "ann"
    assert access.scopes == (scopes or sorted(TOOL_SCOPES))


@pytest.mark.parametrize("scope", ["", ",", "events", "events:write,admin"])
def test_unknown_scope_is_invalid_usage(scope: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["token", "ann", "--scope", scope])
    assert exit_.value.code == 2
    assert "expected customers:write, events:write, metrics:read, segments:write" in capsys.readouterr().err


@pytest.mark.parametrize(
    "name",
    [
        *("", "*", "*.example.com", "http://sandbox", "sandbox:8765", "sandbox/", "a b", "b\u00fccher", "[::1]:8765"),
        *("a,b", "user@sandbox", "x" * 254, "-", "sandbox\n"),
    ],
)
def test_a_hostname_with_anything_else_is_invalid_usage(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["sandbox", f"--allow-host={name}"])
    assert exit_.value.code == 2
    message = "expected one such as sandbox, without scheme, port, path or wildcard"
    assert f"argument --allow-host: invalid hostname {name!r}: {message}" in capsys.readouterr().err
