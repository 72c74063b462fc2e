"""The settings in `--help` are those of the program."""

from __future__ import annotations

from publish.settings_help import SETTINGS_HELP, settings_help


def test_committed_text_is_up_to_date() -> None:
    assert SETTINGS_HELP.read_text(encoding="utf-8") == settings_help(), "run: python -m publish.settings_help"
