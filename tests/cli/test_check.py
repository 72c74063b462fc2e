"""The command `check`, against the sandbox and against servers that are not the Track API."""

from __future__ import annotations

import anyio
import pytest

from customerio_track_mcp.cli.check import check
from customerio_track_mcp.cli.main import main
from customerio_track_mcp.control.summary import report_lines
from customerio_track_mcp.sandbox import RunningSandbox, run_sandbox
from customerio_track_mcp.settings.server import Settings
from tests.support.scripted_server import Act, ScriptedServer, close, hang, respond


@pytest.mark.parametrize(
    ("region_of_workspace", "region_set", "is_usable", "first_line"),
    [
        ("us", "US", True, "OK: the tools can be used. The credentials are valid for workspace 1 in region US."),
        ("eu", "EU", True, "OK: the tools can be used. The credentials are valid for workspace 1 in region EU."),
        ("eu", "US", False, "FAILED: CUSTOMERIO_REGION is US. Set CUSTOMERIO_REGION=EU."),
        ("us", "EU", False, "FAILED: CUSTOMERIO_REGION is EU. Set CUSTOMERIO_REGION=US."),
    ],
)
async def test_first_line_is_the_verdict_and_what_to_do(
    region_of_workspace: str, region_set: str, is_usable: bool, first_line: str
) -> None:
    async with run_sandbox(region=region_of_workspace) as sandbox:
        settings = Settings.from_environment(api_key="sandbox:sandbox", track_url=sandbox.url, region=region_set)
        verdict = await check(settings)
    assert verdict.is_usable is is_usable
    assert verdict.region == region_of_workspace.upper()
    assert verdict.lines[0] == first_line
    assert "valid for workspace 1 in region" in "\n".join(verdict.lines)
    assert verdict.lines[-1] == f"The Track API that was asked is {sandbox.url}."


async def test_invalid_credentials_are_reported_with_the_valid_kind() -> None:
    async with run_sandbox() as sandbox:
        settings = Settings.from_environment(api_key="sandbox:wrong-key", track_url=sandbox.url)
        verdict = await check(settings)
    assert not verdict.is_usable
    assert verdict.region is None
    assert verdict.lines[0].startswith("FAILED: ")
    assert "App API key is a different credential" in verdict.lines[0]
    assert "wrong-key" not in "".join(verdict.lines)


OUTAGE = 'See whether "Data Collection (track.customer.io)" has an outage at https://status.customerio.com'


@pytest.mark.parametrize(
    ("act", "what_to_do"),
    [
        (respond(200, "{}"), "The response is not from the Track API. Check CUSTOMERIO_TRACK_URL."),
        (respond(503, ""), OUTAGE),
        (respond(500, "{}"), OUTAGE),
        (respond(429, "{}"), OUTAGE),
        (close, OUTAGE),
        (hang, OUTAGE),
        (respond(400, "{}"), "Check the network and CUSTOMERIO_TRACK_URL."),
        (respond(403, "<html>"), "NO_PROXY"),
        (respond(307, "", Location="https://track-eu.customer.io/"), "set CUSTOMERIO_REGION=EU"),
        (respond(302, "", Location="https://elsewhere.example/"), "Check CUSTOMERIO_REGION and CUSTOMERIO_TRACK_URL."),
    ],
)
async def test_every_failure_says_what_a_person_must_do(scripted: ScriptedServer, act: Act, what_to_do: str) -> None:
    scripted.acts = [act]
    settings = Settings.from_environment(api_key="site:key", track_url=scripted.url, max_attempts=1, time_budget=0.5)
    verdict = await check(settings)
    assert not verdict.is_usable
    assert verdict.lines[0].startswith("FAILED: ")
    assert what_to_do.lower() in verdict.lines[0].lower()
    # What a model must do.
    for text in ("the user", "etrying", "call again", "was not carried out", "Nothing was sent", "track-mcp check"):
        assert text not in "".join(verdict.lines)
    assert len(scripted.requests) == 1


@pytest.mark.parametrize(
    "controls",
    [{}, {"DRY_RUN": "true"}, {"PAUSE_FILE": "/dev/null"}, {"EVENTS": "purchase", "MAX_EVENTS_PER_HOUR": "5"}],
)
@pytest.mark.parametrize(("key", "status"), [("sandbox:sandbox", 0), ("sandbox:wrong-key", 1)])
async def test_controls_follow_the_verdict_and_do_not_change_the_exit_status(
    sandbox: RunningSandbox,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    controls: dict[str, str],
    key: str,
    status: int,
) -> None:
    for name, value in {"API_KEY": key, "TRACK_URL": sandbox.url, **controls}.items():
        monkeypatch.setenv(f"CUSTOMERIO_{name}", value)
    assert await anyio.to_thread.run_sync(main, ["check"]) == status
    verdict, asked, *lines = capsys.readouterr().out.splitlines()
    assert verdict.startswith("FAILED: " if status else "OK: ")
    assert asked.startswith("The Track API that was asked is ")
    assert lines == report_lines(Settings.from_environment())


async def test_missing_site_id_is_reported_with_the_setting() -> None:
    verdict = await check(Settings.from_environment(api_key="key"))
    assert not verdict.is_usable
    (line,) = verdict.lines
    assert line.startswith("FAILED: CUSTOMERIO_SITE_ID is not set. Set CUSTOMERIO_SITE_ID and CUSTOMERIO_API_KEY")
