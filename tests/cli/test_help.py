"""The text of `--help` is documentation: a change must show in review."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import pytest

from customerio_track_mcp.cli.main import main
from customerio_track_mcp.settings.http import HttpSettings
from customerio_track_mcp.settings.server import Settings

SNAPSHOT: Final = Path(__file__).parents[1] / "data" / "snapshots" / "help.txt"
COMMANDS: Final = (
    "stdio",
    "http",
    "sandbox",
    "check",
    "token",
    "log",
    "demo",
    "rehearse",
    "install",
    "uninstall",
    "help",
)


@pytest.fixture(autouse=True)
def _plain_output_80_columns_wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setenv("NO_COLOR", "1")


def help_of(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    with pytest.raises(SystemExit) as exit_:
        main([*arguments, "--help"])
    assert exit_.value.code == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    return captured.out


def test_help_is_the_snapshot(capsys: pytest.CaptureFixture[str]) -> None:
    """`UPDATE_SNAPSHOTS=1 make test-fast` writes the new one."""
    usages = [[], *([command] for command in COMMANDS)]
    text = "\n".join(
        f"$ {' '.join(['customerio-track-mcp', *usage, '--help'])}\n{help_of(capsys, *usage)}" for usage in usages
    )
    if os.environ.get("UPDATE_SNAPSHOTS"):
        SNAPSHOT.write_text(text, encoding="utf-8")
    assert text == SNAPSHOT.read_text(encoding="utf-8")


def test_help_contains_every_command_and_setting(capsys: pytest.CaptureFixture[str]) -> None:
    text = help_of(capsys)
    for command in COMMANDS:
        assert f"\n    {command} " in text
    assert "--sandbox" in text
    for settings in (Settings, HttpSettings):
        for name in settings.model_fields:
            assert f"{settings.variable(name)}\n" in text


def test_help_is_a_command_too(capsys: pytest.CaptureFixture[str]) -> None:
    for command in ([], *([name] for name in COMMANDS)):
        expected = help_of(capsys, *command)
        assert main(["help", *command]) == 0
        assert capsys.readouterr().out == expected
    with pytest.raises(SystemExit) as exit_:
        main(["help", "htpp"])
    assert exit_.value.code == 2
    assert "'http'" in capsys.readouterr().err
