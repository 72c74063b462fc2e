"""The command `check`, against the sandbox and against servers that are not the Track API."""

from __future__ import annotations

import pytest

from customerio_track_mcp.cli.check import check
from customerio_track_mcp.sandbox import run_sandbox
from customerio_track_mcp.settings.server import Settings
from tests.support.scripted_server import Act, ScriptedServer, respond


@pytest.mark.parametrize(
    ("region_of_workspace", "region_set", "status", "line"),
    [
        ("us", "US", 0, "workspace 1 in region US"),
        ("eu", "EU", 0, "workspace 1 in region EU"),
        ("eu", "US", 1, "WARNING: CUSTOMERIO_REGION is US; set CUSTOMERIO_REGION=EU"),
        ("us", "EU", 1, "WARNING: CUSTOMERIO_REGION is EU; set CUSTOMERIO_REGION=US"),
    ],
)
async def test_workspace_and_region_are_reported_with_a_warning_if_the_region_is_wrong(
    region_of_workspace: str, region_set: str, status: int, line: str
) -> None:
    lines: list[str] = []
    async with run_sandbox(region=region_of_workspace) as sandbox:
        settings = Settings.from_environment(api_key="sandbox:sandbox", track_url=sandbox.url, region=region_set)
        assert await check(settings, lines.append) == status
    assert line in "\n".join(lines)


async def test_invalid_credentials_are_reported_with_the_valid_kind() -> None:
    lines: list[str] = []
    async with run_sandbox() as sandbox:
        settings = Settings.from_environment(api_key="sandbox:wrong-key", track_url=sandbox.url)
        assert await check(settings, lines.append) == 1
    assert "FAILED" in lines[-1]
    assert "App API key is a different credential" in lines[-1]
    assert "wrong-key" not in "".join(lines)


@pytest.mark.parametrize(
    ("act", "line"),
    [
        (respond(200, "{}"), "The response is not from the Track API"),
        (respond(503, ""), "Check the network and CUSTOMERIO_TRACK_URL"),
        (respond(307, "", Location="https://track-eu.customer.io/"), "set CUSTOMERIO_REGION=EU"),
    ],
)
async def test_response_without_a_region_fails(scripted: ScriptedServer, act: Act, line: str) -> None:
    scripted.acts = [act]
    lines: list[str] = []
    settings = Settings.from_environment(api_key="site:key", track_url=scripted.url, max_attempts=1)
    assert await check(settings, lines.append) == 1
    assert line in lines[-1]
    assert len(scripted.requests) == 1


async def test_missing_site_id_is_reported_with_the_setting() -> None:
    lines: list[str] = []
    assert await check(Settings.from_environment(api_key="key"), lines.append) == 1
    assert "CUSTOMERIO_SITE_ID" in lines[-1]
