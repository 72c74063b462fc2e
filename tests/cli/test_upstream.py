"""Whether the server uses an embedded sandbox: the option or the setting."""

from __future__ import annotations

import os

import pytest

from customerio_track_mcp.cli.options import HttpOptions, StdioOptions
from customerio_track_mcp.cli.upstream import sandbox_upstream, settings_upstream, with_sandbox_setting
from customerio_track_mcp.settings.base import SettingsError

INVALID_FOR_A_WORKSPACE = [
    {},
    {"API_KEY": "${KEY}"},
    {"SITE_ID": "a:b"},
    {"TRACK_URL": "nowhere"},
    {"REGION": "Europe"},
]


@pytest.mark.parametrize("others", INVALID_FOR_A_WORKSPACE)
@pytest.mark.parametrize(
    ("value", "chosen"), [("true", True), ("TRUE", True), ("1", True), ("false", False), ("0", False), ("", False)]
)
def test_the_setting_does_what_the_option_does(
    monkeypatch: pytest.MonkeyPatch, others: dict[str, str], value: str, chosen: bool
) -> None:
    for name, text in {**others, "SANDBOX": value}.items():
        monkeypatch.setenv(f"CUSTOMERIO_{name}", text)
    assert with_sandbox_setting(StdioOptions()).sandbox is chosen
    assert with_sandbox_setting(HttpOptions(host="h", port=1, workers=2)) == HttpOptions(
        host="h", port=1, workers=2, sandbox=chosen
    )
    assert with_sandbox_setting(StdioOptions(sandbox=True)).sandbox
    assert sandbox_upstream("http://127.0.0.1:1").settings.missing_credentials == ""


@pytest.mark.parametrize("value", ["maybe", "2", "${SANDBOX}"])
def test_an_invalid_value_is_reported_with_the_other_problems(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setitem(os.environ, "CUSTOMERIO_SANDBOX", value)
    monkeypatch.setitem(os.environ, "CUSTOMERIO_API_KEY", "${KEY}")
    assert not with_sandbox_setting(StdioOptions()).sandbox
    with pytest.raises(SettingsError) as error:
        settings_upstream()
    assert [problem.partition(":")[0] for problem in error.value.problems] == [
        "CUSTOMERIO_API_KEY",
        "CUSTOMERIO_SANDBOX",
    ]
