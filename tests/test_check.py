"""The command `check`, against the sandbox and against nobody."""

from __future__ import annotations

import socket

import pytest

from customerio_track_mcp.cli.check import check
from customerio_track_mcp.sandbox import run_sandbox
from customerio_track_mcp.settings.server import Settings
from tests.process import environment, run
from tests.scripted import Act, ScriptedServer, answer


@pytest.mark.parametrize(
    ("region_of_workspace", "region_set", "status", "told"),
    [
        ("us", "US", 0, "workspace 1 in region US"),
        ("eu", "EU", 0, "workspace 1 in region EU"),
        ("eu", "US", 1, "WARNING: CUSTOMERIO_REGION says US; set CUSTOMERIO_REGION=EU"),
        ("us", "EU", 1, "WARNING: CUSTOMERIO_REGION says EU; set CUSTOMERIO_REGION=US"),
    ],
)
async def test_check_names_workspace_and_region_and_warns_of_the_wrong_one(
    region_of_workspace: str, region_set: str, status: int, told: str
) -> None:
    lines: list[str] = []
    async with run_sandbox(region=region_of_workspace) as sandbox:
        settings = Settings.from_environment(api_key="sandbox:sandbox", track_url=sandbox.url, region=region_set)
        assert await check(settings, lines.append) == status
    assert told in "\n".join(lines)


async def test_check_of_wrong_credentials_fails_and_says_which_are_wanted() -> None:
    lines: list[str] = []
    async with run_sandbox() as sandbox:
        settings = Settings.from_environment(api_key="sandbox:wrong-key", track_url=sandbox.url)
        assert await check(settings, lines.append) == 1
    assert "FAILED" in lines[-1]
    assert "App API key is a different credential" in lines[-1]
    assert "wrong-key" not in "".join(lines)


@pytest.mark.parametrize(
    ("act", "told"),
    [
        (answer(200, "{}"), "not as the Track API does"),
        (answer(503, ""), "Look at the network and at CUSTOMERIO_TRACK_URL"),
        (answer(307, "", Location="https://track-eu.customer.io/"), "set CUSTOMERIO_REGION=EU"),
    ],
)
async def test_check_of_what_does_not_answer_as_the_track_api_fails(
    scripted: ScriptedServer, act: Act, told: str
) -> None:
    scripted.acts = [act]
    lines: list[str] = []
    settings = Settings.from_environment(api_key="site:key", track_url=scripted.url, max_attempts=1)
    assert await check(settings, lines.append) == 1
    assert told in lines[-1]
    assert len(scripted.requests) == 1


async def test_check_without_a_site_id_says_what_to_set() -> None:
    lines: list[str] = []
    assert await check(Settings.from_environment(api_key="key"), lines.append) == 1
    assert "CUSTOMERIO_SITE_ID" in lines[-1]


def test_check_as_a_command_says_when_nobody_answers() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    ended = run("check", env=environment(api_key="site:key", track_url=f"http://127.0.0.1:{port}", max_attempts="1"))
    assert ended.returncode == 1
    assert "No connection to the Track API" in ended.stdout
    assert "Traceback" not in ended.stderr
