"""Whether the server uses a sandbox, which one, and whether it sends anything: the options or the settings."""

from __future__ import annotations

import json
import os
import sys

import pytest

from customerio_track_mcp.cli.options.http import HttpOptions
from customerio_track_mcp.cli.options.stdio import StdioOptions
from customerio_track_mcp.cli.sandbox_upstream import sandbox_upstream
from customerio_track_mcp.cli.upstream import open_upstream, settings_upstream, with_sandbox_setting
from customerio_track_mcp.settings.errors import SettingsError
from customerio_track_mcp.upstream import Destination

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


@pytest.mark.parametrize("others", INVALID_FOR_A_WORKSPACE)
@pytest.mark.parametrize(
    ("value", "url"),
    [
        ("http://127.0.0.1:9000", "http://127.0.0.1:9000"),
        (" https://sandbox.example:8765/api/v1/ ", "https://sandbox.example:8765"),
        ("http://sandbox:8765", "http://sandbox:8765"),
    ],
)
def test_the_setting_names_a_sandbox(
    monkeypatch: pytest.MonkeyPatch, others: dict[str, str], value: str, url: str
) -> None:
    for name, text in {**others, "SANDBOX": value}.items():
        monkeypatch.setenv(f"CUSTOMERIO_{name}", text)
    assert with_sandbox_setting(StdioOptions()).sandbox == url
    assert with_sandbox_setting(StdioOptions(sandbox=True)).sandbox == url
    assert with_sandbox_setting(StdioOptions(sandbox="http://other:1")).sandbox == "http://other:1"


@pytest.mark.parametrize(
    ("settings", "destination"),
    [
        ({}, Destination.WORKSPACE),
        ({"API_KEY": "site:key"}, Destination.WORKSPACE),
        ({"API_KEY": "sandbox:sandbox"}, Destination.WORKSPACE),
        ({"API_KEY": "site:key", "TRACK_URL": "http://127.0.0.1:1"}, Destination.WORKSPACE),
        ({"API_KEY": "sandbox:sandbox", "TRACK_URL": "https://track.example"}, Destination.WORKSPACE),
        ({"API_KEY": "sandbox:sandbox", "TRACK_URL": "http://127.0.0.1:1"}, Destination.SANDBOX),
        ({"API_KEY": "sandbox:sandbox", "TRACK_URL": "http://localhost:1", "DRY_RUN": "true"}, Destination.NOWHERE),
        ({"DRY_RUN": "true"}, Destination.NOWHERE),
    ],
)
def test_a_sandbox_on_this_machine_is_recognized_by_its_credentials(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], destination: Destination
) -> None:
    for name, text in settings.items():
        monkeypatch.setenv(f"CUSTOMERIO_{name}", text)
    upstream = settings_upstream()
    assert upstream.destination is destination
    assert upstream.is_sandbox is upstream.note.startswith("This is a sandbox without real data")


@pytest.mark.parametrize("value", ["maybe", "2", "${SANDBOX}", "ftp://127.0.0.1", "http://a:b@127.0.0.1", "http://"])
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


async def test_an_embedded_sandbox_records_the_calls_of_its_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CUSTOMERIO_SANDBOX_PORT", "0")
    async with open_upstream(StdioOptions(sandbox=True), "WARNING") as upstream:
        assert upstream.is_sandbox
        assert upstream.record_call is not None
        port = upstream.base_url.rpartition(":")[2]
        monkeypatch.setenv("CUSTOMERIO_SANDBOX_PORT", port)
        for sandbox in (True, upstream.base_url):
            async with open_upstream(StdioOptions(sandbox=sandbox), "WARNING") as other:
                assert other.is_sandbox
                assert other.base_url == upstream.base_url
                assert other.record_call is None


@pytest.mark.skipif(sys.platform == "win32" or os.geteuid() == 0, reason="there, a process may listen on every port")
async def test_a_port_that_this_user_may_not_listen_on_is_reported_with_the_setting(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CUSTOMERIO_SANDBOX_PORT", "1")
    with pytest.raises(SettingsError) as error:
        async with open_upstream(StdioOptions(sandbox=True), "WARNING"):
            pass
    assert error.value.problems == [
        "CUSTOMERIO_SANDBOX_PORT: cannot listen on port 1: Permission denied; set another port"
    ]
