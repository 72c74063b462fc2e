"""Credentials that a person enters at a real terminal."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.process import KEY, environment
from tests.support.terminal import Terminal, terminal

# As a command does, whose stdout may be a file.
SOURCE = """
import json, sys
from customerio_track_mcp.cli.ask_credentials import ask_credentials
from customerio_track_mcp.cli.commands import run_reporting_settings_errors
def run():
    settings = ask_credentials()
    print(json.dumps([settings.credentials.site_id, settings.credentials.api_key, settings.region]))
    return 0
sys.exit(run_reporting_settings_errors(run))
"""
SITE_ID, API_KEY, REGION = "Site ID: ", "Tracking API key (not shown): ", "Region of the workspace, US or EU [US]: "


@contextmanager
def asked(**settings: str) -> Iterator[Terminal]:
    with terminal(SOURCE, environment(**settings)) as person:
        yield person


def result_of(person: Terminal) -> object:
    status, output = person.finish()
    assert status == 0, person.screen
    return json.loads(output)


def test_invalid_input_is_asked_for_again_and_the_key_is_not_shown() -> None:
    with asked() as person:
        person.wait_for("Settings > Workspace Settings > API Credentials")
        person.wait_for(SITE_ID)
        person.enter("site:key")
        person.wait_for("CUSTOMERIO_SITE_ID: contains a colon")
        person.wait_for(SITE_ID)
        person.enter(b"\xff")
        person.wait_for(SITE_ID)
        person.enter("  site ")
        person.wait_for(API_KEY)
        person.enter(f"<{KEY}>")
        person.wait_for("CUSTOMERIO_API_KEY: is a placeholder")
        person.wait_for(API_KEY)
        person.enter(f" {KEY} ")
        person.wait_for(REGION)
        person.enter("mars")
        person.wait_for("CUSTOMERIO_REGION: ")
        person.wait_for(REGION)
        person.enter("eu")
        assert result_of(person) == ["site", KEY, "EU"]
        assert KEY not in person.screen


@pytest.mark.parametrize(
    ("settings", "prompts", "result"),
    [
        ({"site_id": "site", "region": "EU"}, [API_KEY], ["site", KEY, "EU"]),
        ({"api_key": "key"}, [SITE_ID, REGION], ["site", "key", "US"]),
    ],
)
def test_only_what_is_missing_is_asked_for(settings: dict[str, str], prompts: list[str], result: list[str]) -> None:
    typed = {SITE_ID: "site", API_KEY: KEY, REGION: ""}
    with asked(**settings) as person:
        for prompt in prompts:
            person.wait_for(prompt)
            person.enter(typed[prompt])
        assert result_of(person) == result
    assert person.screen.count(": ") == len(prompts) + 1  # one line says where the credentials are


def test_three_invalid_inputs_end_it() -> None:
    with asked() as person:
        for _ in range(3):
            person.wait_for(SITE_ID)
            person.enter("")
        person.wait_for("CUSTOMERIO_SITE_ID: is blank")
        assert person.finish() == (2, "")


def test_the_end_of_input_ends_it() -> None:
    with asked(site_id="site") as person:
        person.wait_for(API_KEY)
        person.press(b"\x04")
        person.wait_for("CUSTOMERIO_API_KEY is not set: nothing was entered")
        assert person.finish() == (2, "")
    assert "Traceback" not in person.screen


INSTALL = """
import sys
sys.argv[1:] = ["install", "cursor"]
from customerio_track_mcp.__main__ import main
sys.exit(main())
"""


@pytest.mark.parametrize(
    ("stop", "status"),
    [
        (lambda person: person.press(b"\x03"), 130),
        (lambda person: person.process.send_signal(signal.SIGTERM), 143),
        (lambda person: person.process.send_signal(signal.SIGHUP), 129),
    ],
    ids=["Ctrl+C", "SIGTERM", "SIGHUP"],
)
def test_the_terminal_is_restored_if_the_command_is_stopped(
    stop: Callable[[Terminal], None], status: int, tmp_path: Path
) -> None:
    with terminal(INSTALL, environment(site_id="site") | {"HOME": str(tmp_path)}) as person:
        person.wait_for(API_KEY)
        assert not person.echoes
        stop(person)
        person.process.wait(timeout=60)
        assert person.echoes
        ended, output = person.finish()
    assert (ended, output) == (status, "")
    assert "Traceback" not in person.screen
    assert not list(tmp_path.iterdir())
