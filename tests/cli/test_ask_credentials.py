"""Credentials without a terminal; see tests/integration/test_ask_credentials.py for one."""

from __future__ import annotations

import sys

import pytest

from customerio_track_mcp.cli.ask_credentials import ask_credentials
from customerio_track_mcp.settings.errors import SettingsError
from customerio_track_mcp.track import Credentials, Region


@pytest.mark.parametrize("stdin", ["not a terminal", "closed"])
@pytest.mark.parametrize(
    ("settings", "missing"),
    [
        ({}, "CUSTOMERIO_API_KEY is not set and CUSTOMERIO_SITE_ID is not set"),
        ({"CUSTOMERIO_API_KEY": "key"}, "CUSTOMERIO_SITE_ID is not set"),
        ({"CUSTOMERIO_SITE_ID": "site"}, "CUSTOMERIO_API_KEY is not set"),
    ],
)
def test_without_a_terminal_the_message_names_the_variables(
    monkeypatch: pytest.MonkeyPatch, stdin: str, settings: dict[str, str], missing: str
) -> None:
    if stdin == "closed":
        monkeypatch.setattr(sys, "stdin", None)
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as caught:
        ask_credentials()
    assert caught.value.problems == [
        f"{missing}, and without a terminal nobody can be asked: set CUSTOMERIO_SITE_ID, CUSTOMERIO_API_KEY and "
        "CUSTOMERIO_REGION in the environment, in a file that --env-file names, or as secret files"
    ]


def test_nothing_is_asked_if_the_credentials_are_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUSTOMERIO_API_KEY", "site:key")
    monkeypatch.setenv("CUSTOMERIO_KEY_STORE", "not-read")
    settings = ask_credentials()
    assert settings.credentials == Credentials("site", "key")
    assert settings.region is Region.US


def test_an_invalid_setting_is_reported_and_not_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUSTOMERIO_REGION", "mars")
    with pytest.raises(SettingsError, match="CUSTOMERIO_REGION: "):
        ask_credentials()
