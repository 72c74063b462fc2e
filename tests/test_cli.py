"""The command itself: help, version, bad settings, the sandbox alone."""

from __future__ import annotations

import signal

import httpx
import pytest

from customerio_track_mcp import __version__
from customerio_track_mcp.settings import Settings
from tests.process import environment, run, running, url_told


def test_version() -> None:
    ended = run("--version")
    assert (ended.returncode, ended.stdout) == (0, f"customerio-track-mcp {__version__}\n")


def test_help_names_every_command_and_setting() -> None:
    ended = run("--help")
    assert ended.returncode == 0
    for word in ("stdio", "http", "sandbox", "check", "demo", "--sandbox"):
        assert word in ended.stdout
    for name in Settings.model_fields:
        assert f"CUSTOMERIO_{name.upper()}\n" in ended.stdout


@pytest.mark.parametrize("arguments", [[], ["stdio"], ["http"], ["check"]])
def test_a_bad_setting_stops_the_start_with_one_line_each_and_status_2(arguments: list[str]) -> None:
    ended = run(*arguments, env=environment(region="mars"))
    assert ended.returncode == 2
    assert ended.stdout == ""
    told = ended.stderr.splitlines()
    assert len(told) == 2
    assert told[0].startswith("customerio-track-mcp: CUSTOMERIO_API_KEY is not set")
    assert told[1].startswith("customerio-track-mcp: CUSTOMERIO_REGION: ")


@pytest.mark.parametrize("arguments", [["serve"], ["http", "--port", "x"], ["http", "--port", "65536"], ["--sandbx"]])
def test_bad_usage_is_status_2_without_a_traceback(arguments: list[str]) -> None:
    ended = run(*arguments)
    assert ended.returncode == 2
    assert "usage: customerio-track-mcp" in ended.stderr
    assert "Traceback" not in ended.stderr


def test_without_a_site_id_the_server_starts_and_says_so() -> None:
    ended = run(env=environment(api_key="key"))
    assert ended.returncode == 0
    assert "CUSTOMERIO_SITE_ID is not set" in ended.stderr


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_the_sandbox_runs_alone_until_it_is_stopped(stop: signal.Signals) -> None:
    with running("sandbox", "--port", "0") as process:
        state_url = url_told(process, "sandbox Track API at") + "/_sandbox/state"
        assert httpx.get(state_url, trust_env=False).json()["people"] == []
        process.send_signal(stop)
        assert process.wait(timeout=10) == 0


def test_a_sandbox_on_a_port_in_use_says_so() -> None:
    with running("sandbox", "--port", "0") as process:
        port = httpx.URL(url_told(process, "sandbox Track API at")).port
        ended = run("sandbox", "--port", str(port))
    assert ended.returncode == 1
    assert "can't listen there" in ended.stderr


def test_the_sandbox_never_sees_the_real_credentials() -> None:
    ended = run(
        "--sandbox", env=environment(api_key="real-key", site_id="real-site", track_url="https://gateway.example")
    )
    assert ended.returncode == 0
    assert "sandbox Track API at http://127.0.0.1:" in ended.stderr
