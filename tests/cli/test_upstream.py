"""Whether the server uses an embedded sandbox, and whether it sends anything: the options or the settings."""

from __future__ import annotations

import json
import os

import pytest

from customerio_track_mcp.cli.options import HttpOptions, StdioOptions
from customerio_track_mcp.cli.upstream import (
    open_upstream,
    sandbox_upstream,
    settings_upstream,
    with_sandbox_setting,
)
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


@pytest.mark.parametrize("credentials", [{}, {"API_KEY": "site:key"}])
@pytest.mark.parametrize("log_format", ["text", "json"])
@pytest.mark.parametrize(
    ("option", "value", "is_dry_run"),
    [
        (False, "", False),
        (False, "false", False),
        (False, "true", True),
        (True, "", True),
        (True, "false", True),
        (True, "maybe", True),
    ],
)
async def test_a_dry_run_is_reported_at_startup_and_needs_no_credentials(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    credentials: dict[str, str],
    log_format: str,
    option: bool,
    value: str,
    is_dry_run: bool,
) -> None:
    for name, text in {**credentials, "DRY_RUN": value, "LOG_FORMAT": log_format}.items():
        monkeypatch.setenv(f"CUSTOMERIO_{name}", text)
    async with open_upstream(StdioOptions(dry_run=option), "WARNING") as upstream:
        assert upstream.settings.dry_run is is_dry_run
        assert sandbox_upstream("http://127.0.0.1:1", dry_run=option).settings.dry_run is is_dry_run
    lines = capsys.readouterr().err.splitlines()
    texts = [json.loads(line)["event"] if log_format == "json" else line for line in lines]
    if is_dry_run:
        assert texts.pop(0).endswith("dry run: nothing is sent")
    if not credentials:
        expected = "a dry run needs no credentials, but a server that sends does" if is_dry_run else "every call fails"
        assert expected in texts.pop(0)
    assert texts == []
