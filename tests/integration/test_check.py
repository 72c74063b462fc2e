"""`check` as a person runs it: stdout and stderr on one terminal, whose first line is the verdict on every path."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import Final

import anyio
import pytest

from tests.support.loaded_command import run_loaded, running_loaded
from tests.support.process import KEY, environment, url_from_stderr
from tests.support.scripted_server import Act, ScriptedServer, close, hang, respond

VERDICT: Final = re.compile("(OK|FAILED): ")
FOR_A_MODEL: Final = re.compile(
    r"\bthe user\b|retrying|call(ing)? again|not carried out|nothing was sent", re.IGNORECASE
)
EVERY_LINE: Final = {"log_level": "DEBUG", "api_kye": KEY}
"""Settings with which there are log lines and a warning, which must follow the verdict."""
REGION: Final = json.dumps({"region": "us", "environment_id": 3, "url": "https://track.customer.io"})
NOBODY: Final = "http://127.0.0.1:1"


@pytest.fixture
async def scripted() -> AsyncIterator[ScriptedServer]:
    """Receives every request, the lookup of a sandbox included."""
    async with ScriptedServer() as server:
        yield server


def lines_of_check(*arguments: str, env: Mapping[str, str]) -> tuple[int, list[str]]:
    """Run `check`; return its exit status, and what a terminal shows."""
    process = run_loaded("check", *arguments, env=env, merge_stderr=True)
    return process.returncode, process.stdout.splitlines()


def require_verdict_for_a_person(lines: list[str], verdict: str) -> None:
    assert VERDICT.match(lines[0])
    assert verdict in lines[0]
    assert [line for line in lines if FOR_A_MODEL.search(line)] == []
    assert [line for line in lines if "Traceback" in line or KEY in line] == []


@pytest.mark.parametrize(
    ("act", "status", "verdict"),
    [
        (respond(200, REGION), 0, "OK: the tools can be used."),
        (respond(401, "{}"), 1, "CUSTOMERIO_API_KEY its Tracking API key"),
        (respond(200, REGION.replace("us", "eu", 1)), 1, "Set CUSTOMERIO_REGION=EU."),
        (respond(307, "", Location="https://track-eu.customer.io/"), 1, "set CUSTOMERIO_REGION=EU"),
        (respond(302, "", Location="https://elsewhere.example/"), 1, "redirected to elsewhere.example"),
        (respond(400, '{"meta": {"error": "no"}}'), 1, "rejected the request (400"),
        (respond(403, "<html>", "text/html"), 1, "seems to have sent it"),
        (respond(429, "{}"), 1, "accepts no more requests for now"),
        (respond(500, ""), 1, "has an outage"),
        (respond(200, "<html>", "text/html"), 1, "is not from the Track API"),
        (respond(200, '{"hello": 1}'), 1, "is not from the Track API"),
        (close, 1, "No response from the Track API"),
        (hang, 1, "No response from the Track API"),
    ],
)
async def test_the_verdict_is_first_whatever_responds(
    scripted: ScriptedServer, act: Act, status: int, verdict: str
) -> None:
    scripted.otherwise = act
    settings = {"api_key": f"site:{KEY}", "track_url": scripted.url, "read_timeout": "0.3", "time_budget": "10"}
    env = environment(**settings, **EVERY_LINE)
    returncode, lines = await anyio.to_thread.run_sync(lambda: lines_of_check(env=env))
    assert returncode == status
    require_verdict_for_a_person(lines, verdict)
    assert "CUSTOMERIO_API_KYE is not a setting" in lines[-1]


@pytest.mark.parametrize(
    ("settings", "status", "verdict"),
    [
        ({}, 1, "CUSTOMERIO_API_KEY is not set and CUSTOMERIO_SITE_ID is not set."),
        ({"api_key": "site:key", "track_url": NOBODY}, 1, "No connection to the Track API"),
        ({"api_key": "site:key", "track_url": "https://nowhere.invalid"}, 1, "No connection to"),
        ({"region": "mars", "api_key": "${KEY}"}, 2, "CUSTOMERIO_API_KEY: is a placeholder"),
        ({"env_file": "/nowhere/settings"}, 2, "CUSTOMERIO_ENV_FILE: /nowhere/settings cannot be read"),
        ({"write_log": "/nowhere/log", "api_key": "site:key"}, 2, "CUSTOMERIO_WRITE_LOG: /nowhere/log cannot be"),
        ({"sandbox": "maybe"}, 2, "CUSTOMERIO_SANDBOX: expected true, false or the URL of a sandbox"),
    ],
)
def test_the_verdict_is_first_if_nothing_responds(settings: dict[str, str], status: int, verdict: str) -> None:
    returncode, lines = lines_of_check(env=environment(**settings, **EVERY_LINE))
    assert returncode == status
    require_verdict_for_a_person(lines, verdict)
    assert "CUSTOMERIO_API_KYE is not a setting" in lines[-1]


def test_every_invalid_setting_is_a_line_of_the_verdict() -> None:
    completed = run_loaded("check", env=environment(region="mars", api_key="${KEY}"))
    assert completed.returncode == 2
    assert completed.stderr == ""
    assert [line.split(": ")[:2] for line in completed.stdout.splitlines()] == [
        ["FAILED", "CUSTOMERIO_API_KEY"],
        ["FAILED", "CUSTOMERIO_REGION"],
    ]


@pytest.mark.parametrize(
    ("arguments", "variables", "verdict"),
    [
        ([], {"ALL_PROXY": "nonsense://"}, "ALL_PROXY: the proxy URL"),
        (["--env-file", "/nowhere"], {}, "--env-file: /nowhere cannot be read"),
        (["--sandbox", "http://elsewhere.example"], {"ALL_PROXY": "nonsense://"}, "ALL_PROXY: the proxy URL"),
    ],
)
def test_what_cannot_be_used_is_a_verdict_too(arguments: list[str], variables: dict[str, str], verdict: str) -> None:
    returncode, lines = lines_of_check(*arguments, env=environment(api_key="site:key") | variables)
    assert returncode == 2
    require_verdict_for_a_person(lines, verdict)


def test_failed_attempts_are_not_logged_unless_that_is_asked_for() -> None:
    completed = run_loaded("check", env=environment(api_key="site:key", track_url=NOBODY))
    assert completed.returncode == 1
    assert completed.stderr == ""


@pytest.mark.parametrize("log_format", ["text", "json"])
def test_log_lines_follow_in_their_format(log_format: str) -> None:
    settings = {"api_key": "site:key", "track_url": NOBODY, "log_format": log_format}
    completed = run_loaded("check", env=environment(**settings, **EVERY_LINE))
    logged, unknown = completed.stderr.splitlines()
    assert "attempt failed" in logged
    assert "WARNING: CUSTOMERIO_API_KYE is not a setting and is ignored; did you mean CUSTOMERIO_API_KEY?" in unknown
    assert unknown.startswith("{" if log_format == "json" else "customerio-track-mcp: ")
    assert logged.startswith("{") is (log_format == "json")


@pytest.mark.parametrize("existed", [True, False])
def test_the_write_log_is_tried_and_left_as_it_was(tmp_path: Path, existed: bool) -> None:
    log = tmp_path / "log"
    if existed:
        log.write_text("a line\n", encoding="utf-8")
        log.chmod(0o644)
    completed = run_loaded("check", env=environment(api_key="site:key", track_url=NOBODY, write_log=str(log)))
    assert VERDICT.match(completed.stdout)
    assert f"Calls are recorded in {log}" in completed.stdout
    assert log.exists() is existed
    if existed:
        assert log.read_text(encoding="utf-8") == "a line\n"


def test_a_sandbox_that_runs_is_checked_instead_of_the_workspace() -> None:
    with running_loaded("sandbox", "--port", "0") as sandbox:
        url = url_from_stderr(sandbox, "sandbox Track API at")
        port = url.rpartition(":")[2]
        of_workspace = {"api_key": "${KEY}", "track_url": "nowhere", "region": "mars"}
        for arguments, settings in (
            (["--sandbox"], {"sandbox_port": port}),
            (["--sandbox", url], {}),
            ([f"--sandbox={url}/"], {"sandbox": NOBODY}),
            (["--sandbox"], {"sandbox": url}),
        ):
            completed = run_loaded("check", *arguments, env=environment(**of_workspace, **settings))
            assert completed.returncode == 0, arguments
            assert completed.stdout.splitlines()[0] == (
                f"OK: the tools can be used with the sandbox at {url}. Open it in a browser to watch."
            )
            assert completed.stderr == ""


def test_no_sandbox_is_started_only_to_be_checked() -> None:
    returncode, lines = lines_of_check("--sandbox", env=environment(sandbox_port="1"))
    assert returncode == 1
    assert lines[0] == (
        "FAILED: No sandbox answers at http://127.0.0.1:1 (Connection refused). Start one with 'customerio-track-mcp "
        "sandbox'."
    )


IDENTITY: Final = {"name": "customerio-track-mcp sandbox", "version": "0.0.1"}


@pytest.mark.parametrize(
    ("act", "named", "returncode", "verdict"),
    [
        (respond(404, ""), True, 1, "is not a sandbox (status 404 at /_sandbox). Another program uses that address"),
        (respond(200, json.dumps(IDENTITY)), False, 1, "is of version 0.0.1, and this program of "),
        (respond(403, "{}"), True, 1, "If it is a sandbox, start it with --allow-host 127.0.0.1."),
        (respond(200, json.dumps(IDENTITY | {"region": "us"})), True, 0, "OK: the tools can be used with the sandbox"),
    ],
)
async def test_what_a_person_can_do_about_a_sandbox_is_in_the_verdict(
    scripted: ScriptedServer, act: Act, named: bool, returncode: int, verdict: str
) -> None:
    scripted.otherwise = act
    arguments = ["--sandbox", *([scripted.url] if named else [])]
    env = environment(sandbox_port=scripted.url.rpartition(":")[2], **EVERY_LINE)
    status, lines = await anyio.to_thread.run_sync(lambda: lines_of_check(*arguments, env=env))
    assert status == returncode
    require_verdict_for_a_person(lines, verdict)


async def test_a_sandbox_that_responds_wrongly_fails(scripted: ScriptedServer) -> None:
    scripted.acts = [respond(200, json.dumps(IDENTITY))]
    scripted.otherwise = respond(401, "{}")
    status, lines = await anyio.to_thread.run_sync(
        lambda: lines_of_check("--sandbox", scripted.url, env=environment(**EVERY_LINE))
    )
    assert status == 1
    require_verdict_for_a_person(lines, f"The sandbox at {scripted.url} does not respond as one:")
