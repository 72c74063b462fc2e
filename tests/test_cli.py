"""The command itself: help, version, bad settings, the sandbox alone."""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import subprocess
from pathlib import Path

import httpx
import pytest

from customerio_track_mcp import __version__
from customerio_track_mcp.settings.server import Settings
from tests.process import COMMAND, environment, run, running, url_told


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


@pytest.mark.parametrize(
    "arguments",
    [
        ["serve"],
        ["http", "--port", "x"],
        ["http", "--port", "65536"],
        ["--sandbx"],
        ["--open"],
        ["http", "--data", "x"],
    ],
)
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


def test_the_servers_own_sandbox_takes_the_known_port_or_another_and_tells_the_model_where() -> None:
    initialize = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
    request = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": initialize}) + "\n"
    with running("sandbox", "--port", "8765") as process:
        assert process.stderr is not None
        process.stderr.readline()
        ended = run("--sandbox", stdin=request)
    (url,) = re.findall(r"sandbox Track API at (http://127\.0\.0\.1:\d+) ", ended.stderr)
    assert not url.endswith(":8765")
    instructions = json.loads(ended.stdout)["result"]["instructions"]
    assert instructions.endswith(f"This is a sandbox without real data: what arrives can be watched at {url}")


def test_a_sandbox_for_others_on_the_network_warns() -> None:
    with running("sandbox", "--host", "0.0.0.0", "--port", "0") as process:
        assert process.stderr is not None
        assert "WARNING: --host 0.0.0.0 lets others on the network see and change" in process.stderr.readline()


@pytest.mark.parametrize("options", [["--sandbox"], ["sandbox", "--port", "0"]])
@pytest.mark.parametrize("opened", [True, False])
def test_the_page_is_opened_where_asked_and_only_there(tmp_path: Path, options: list[str], opened: bool) -> None:
    script = tmp_path / "browser"
    script.write_text(f'#!/bin/sh\necho noise\nprintf %s "$1" > {tmp_path}/half && mv {tmp_path}/half {tmp_path}/url\n')
    script.chmod(0o755)
    settings = environment() | {"BROWSER": str(script)}
    with running(*options, *(["--open"] if opened else []), env=settings) as process:
        url = url_told(process, "sandbox Track API at")
        told = tmp_path / "url"
        while opened and not told.exists():
            os.sched_yield()
        assert process.stdin is not None
        assert process.stdout is not None
        if options == ["--sandbox"]:
            process.stdin.close()
        else:
            process.terminate()
        assert process.wait(timeout=10) == 0
        assert process.stdout.read() == ""
    assert told.exists() is opened
    assert not opened or told.read_text() == url


def test_a_sandbox_on_a_port_in_use_says_so() -> None:
    with running("sandbox", "--port", "0") as process:
        port = httpx.URL(url_told(process, "sandbox Track API at")).port
        ended = run("sandbox", "--port", str(port))
    assert ended.returncode == 1
    assert "can't listen there" in ended.stderr


def test_the_sandbox_never_sees_the_real_credentials() -> None:
    real = environment(api_key="real-key", site_id="real-site", track_url="https://gateway.example")
    call = {"name": "send_event", "arguments": {"customer_id": "1", "event_name": "bought"}}
    initialize = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
    messages = [{"method": "initialize", "params": initialize}, {"method": "tools/call", "params": call}]
    requests = "".join(json.dumps({"jsonrpc": "2.0", "id": n} | message) + "\n" for n, message in enumerate(messages))
    ended = run("--sandbox", stdin=requests, env=real)
    assert json.loads(ended.stdout.splitlines()[1])["result"]["structuredContent"]["success"]


@pytest.mark.parametrize(("command", "proxy"), [("stdio", "socks5://127.0.0.1:1"), ("check", "nonsense://")])
def test_a_proxy_of_the_environment_that_cannot_be_used_is_told(command: str, proxy: str) -> None:
    settings = environment(api_key="site:key") | {"ALL_PROXY": proxy}
    ended = run(command, env=settings)
    assert ended.returncode == 2
    assert "the HTTP client can't be set up" in ended.stderr
    assert "Traceback" not in ended.stderr


@pytest.mark.parametrize("redirection", ["<&-", ">&-"])
def test_standard_streams_that_are_closed_are_told(redirection: str) -> None:
    shell = f"exec {shlex.join(COMMAND)} --sandbox {redirection}"
    ended = subprocess.run(["/bin/sh", "-c", shell], capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 2
    assert "have to be open" in ended.stderr


def test_output_that_nobody_reads_ends_the_demo_without_a_traceback() -> None:
    shell = f"{shlex.join(COMMAND)} demo | head -n 1"
    ended = subprocess.run(["/bin/sh", "-c", shell], capture_output=True, text=True, timeout=60, check=False)
    assert ended.stdout.startswith("Sandbox Track API at")
    assert "Traceback" not in ended.stderr
