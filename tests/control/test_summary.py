"""How the controls in force are reported."""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final

import pytest

from customerio_track_mcp.control.summary import control_lines, control_names, instruction_lines, report_lines
from customerio_track_mcp.settings.control import ControlSettings
from customerio_track_mcp.settings.server import Settings

VALUES: Final = {
    "resend_window": "60",
    "dry_run": "true",
    "tools": "send_event,create_or_update_customer",
    "events": "purchase,signed_*",
    "segments": "7,12",
    "attributes": "plan,utm_*",
    "max_events_per_hour": "100",
    "max_people_per_hour": "2000",
    "pause_file": "/run/paused-here",
    "confirm": "send_event,add_customers_to_segment>50",
    "confirm_fallback": "allow",
    "write_log": "/var/log/writes-here",
    "write_log_identifiers": "clear",
}
"""A value of each control that is not its default."""
DEPENDENT: Final = {"confirm_fallback": "confirm", "write_log_identifiers": "write_log"}
"""Settings that have an effect only with another one."""

ALLOW_LISTS: Final = ("tools", "events", "segments", "attributes")
"""What the policy shows for each caller."""


def settings_with(monkeypatch: pytest.MonkeyPatch, **values: str) -> Settings:
    for field, value in values.items():
        monkeypatch.setenv(Settings.variable(field), value)
    return Settings.from_environment()


def test_every_control_has_a_value_here() -> None:
    assert set(VALUES) == set(ControlSettings.model_fields)


def test_nothing_is_reported_by_default() -> None:
    settings = Settings.from_environment()
    assert report_lines(settings) == ["No controls are set: nothing is restricted, confirmed or recorded."]
    assert control_lines(settings) == control_names(settings) == instruction_lines(settings) == []


@pytest.mark.parametrize("field", VALUES)
def test_a_control_that_is_set_is_reported_with_its_setting_and_value(
    monkeypatch: pytest.MonkeyPatch, field: str
) -> None:
    needed = {DEPENDENT[field]: VALUES[DEPENDENT[field]]} if field in DEPENDENT else {}
    settings = settings_with(monkeypatch, **needed, **{field: VALUES[field]})
    heading, *lines = report_lines(settings)
    assert heading == "A server with these settings has these controls:"
    (line,) = [line for line in lines if f"({Settings.variable(field)})" in line]
    for item in {
        "dry_run": ["nothing is sent"],
        "confirm_fallback": ["the call is made"],
        "pause_file": [str(settings.pause_file)],
        "write_log": [str(settings.write_log)],
        "write_log_identifiers": ["people in clear"],
    }.get(field, VALUES[field].split(",")):
        assert item in line
    if field not in DEPENDENT:
        is_allow_list = field in ALLOW_LISTS
        assert len(control_lines(settings)) == (0 if is_allow_list else len(lines))
        assert len(control_names(settings)) == (field != "dry_run")
        (instruction,) = instruction_lines(settings)
        assert instruction.startswith("This is a dry run" if field == "dry_run" else "The operator has set: ")


@pytest.mark.parametrize("field", DEPENDENT)
def test_a_setting_without_effect_is_not_reported(monkeypatch: pytest.MonkeyPatch, field: str) -> None:
    settings = settings_with(monkeypatch, **{field: VALUES[field]})
    assert control_lines(settings) == control_names(settings) == []


def test_lines_for_callers_contain_no_paths(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = settings_with(monkeypatch, **VALUES)
    texts = [*control_lines(settings), *control_names(settings), *instruction_lines(settings)]
    assert "-here" not in " ".join(texts)
    assert " ".join(report_lines(settings)).count("-here") == 2


def test_report_says_whether_the_pause_file_exists_now(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "paused"
    settings = settings_with(monkeypatch, pause_file=str(path))
    assert report_lines(settings)[1].startswith(f"- Not paused: {path} does not exist; ")
    creations: list[tuple[Callable[[], None], Callable[[], None]]] = [
        (path.touch, path.unlink),
        (path.mkdir, path.rmdir),
    ]
    if os.name != "nt":  # where it needs a privilege
        creations.append((partial(path.symlink_to, "nowhere"), path.unlink))
    for create, remove in creations:
        create()
        assert report_lines(settings)[1].startswith(f"- PAUSED: {path} exists; ")
        remove()
    assert report_lines(settings)[1].startswith("- Not paused: ")


@pytest.mark.skipif(os.name == "nt", reason="a file in place of a folder is not found on Windows")
def test_a_pause_file_that_cannot_be_looked_up_counts_as_existing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    settings = settings_with(monkeypatch, pause_file=str(folder / "paused"))
    folder.rmdir()
    folder.touch()
    assert report_lines(settings)[1].startswith("- PAUSED: ")


@pytest.mark.parametrize(("seconds", "text"), [("0", "are not remembered"), ("60", "for 60 seconds"), ("900", "")])
def test_resend_window_is_reported_if_it_is_not_the_default(
    monkeypatch: pytest.MonkeyPatch, seconds: str, text: str
) -> None:
    lines = control_lines(settings_with(monkeypatch, resend_window=seconds))
    assert [text in line for line in lines] == ([True] if text else [])
