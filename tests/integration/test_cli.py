"""The command as a subprocess: version, invalid settings, the sandbox alone, the demo."""

from __future__ import annotations

import fcntl
import json
import os
import shlex
import signal
import subprocess
import termios
from pathlib import Path
from threading import Timer

import httpx
import pytest

from customerio_track_mcp import __version__
from tests.support.messages import INITIALIZE
from tests.support.process import COMMAND, environment, run, running, url_from_stderr
from tests.support.waiting import wait_until


def test_version() -> None:
    process = run("--version")
    assert (process.returncode, process.stdout) == (0, f"customerio-track-mcp {__version__}\n")


@pytest.mark.parametrize("arguments", [[], ["stdio"], ["http"]])
def test_invalid_settings_prevent_startup_with_one_line_each_and_status_2(arguments: list[str]) -> None:
    process = run(*arguments, env=environment(region="mars"))
    assert process.returncode == 2
    assert process.stdout == ""
    (line,) = process.stderr.splitlines()
    assert line.startswith("customerio-track-mcp: CUSTOMERIO_REGION: ")


def test_invalid_usage_prints_no_traceback() -> None:
    process = run("serve")
    assert process.returncode == 2
    assert "usage: customerio-track-mcp" in process.stderr
    assert "Traceback" not in process.stderr


def test_server_starts_without_a_site_id_and_reports_it() -> None:
    process = run(env=environment(api_key="key"))
    assert process.returncode == 0
    assert "CUSTOMERIO_SITE_ID is not set" in process.stderr


def test_stdio_reports_unknown_variables_and_invalid_settings() -> None:
    process = run(env=environment(regions="EU", api_key="site:key"))
    assert process.returncode == 0
    (line,) = process.stderr.splitlines()
    assert "WARNING: CUSTOMERIO_REGIONS is not a setting and is ignored; did you mean CUSTOMERIO_REGION?" in line
    process = run(env=environment(regions="EU", rate_limit="many"))
    assert process.returncode == 2
    unknown, invalid = process.stderr.splitlines()
    assert "CUSTOMERIO_REGIONS" in unknown
    assert "CUSTOMERIO_RATE_LIMIT" in invalid


@pytest.mark.parametrize("arguments", [[], ["--sandbox"]])
def test_server_on_a_terminal_says_what_it_waits_for_and_how_to_stop_it(arguments: list[str]) -> None:
    terminal, stdin = os.openpty()
    try:
        with subprocess.Popen(
            [*COMMAND, *arguments],
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment(),
            encoding="utf-8",
            start_new_session=True,
            preexec_fn=_make_stdin_the_terminal,
        ) as process:
            assert process.stderr is not None
            assert process.stdout is not None
            guard = Timer(30, process.kill)  # it waits for as long as the terminal is open
            guard.start()
            line = next((line for line in process.stderr if "waiting" in line), "")
            guard.cancel()
            assert "waiting for an MCP host on standard input" in line
            assert "Ctrl+C" in line
            assert "customerio-track-mcp demo" in line
            os.write(terminal, b"\x03")
            assert process.wait(timeout=30) in (0, 130)  # the latter until the server itself handles signals
            assert process.stdout.read() == ""
            assert "Traceback" not in process.stderr.read()
    finally:
        os.close(terminal)
        os.close(stdin)


def _make_stdin_the_terminal() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


def test_server_without_a_terminal_does_not_say_that_it_waits() -> None:
    assert "waiting" not in run(env=environment(api_key="site:key")).stderr


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT])
def test_sandbox_runs_alone_until_it_is_stopped(stop: signal.Signals) -> None:
    with running("sandbox", "--port", "0") as process:
        state_url = url_from_stderr(process, "sandbox Track API at") + "/_sandbox/state"
        assert httpx.get(state_url, trust_env=False).json()["people"] == []
        process.send_signal(stop)
        assert process.wait(timeout=60) == 0


def test_sandbox_on_a_non_loopback_address_warns() -> None:
    with running("sandbox", "--host", "0.0.0.0", "--port", "0") as process:
        assert process.stderr is not None
        assert "WARNING: --host 0.0.0.0 lets others on the network see and change" in process.stderr.readline()


@pytest.mark.parametrize("arguments", [["--sandbox"], ["sandbox", "--port", "0"]])
@pytest.mark.parametrize("open_page", [True, False])
def test_page_is_opened_with_the_option_only(tmp_path: Path, arguments: list[str], open_page: bool) -> None:
    script = tmp_path / "browser"
    script.write_text(f'#!/bin/sh\necho noise\nprintf %s "$1" > {tmp_path}/half && mv {tmp_path}/half {tmp_path}/url\n')
    script.chmod(0o755)
    settings = environment() | {"BROWSER": str(script)}
    with running(*arguments, *(["--open"] if open_page else []), env=settings) as process:
        url = url_from_stderr(process, "sandbox Track API at")
        opened = tmp_path / "url"
        while open_page and not opened.exists():
            os.sched_yield()
        assert process.stdin is not None
        assert process.stdout is not None
        if arguments == ["--sandbox"]:
            process.stdin.close()
        else:
            process.terminate()
        assert process.wait(timeout=60) == 0
        assert process.stdout.read() == ""
    assert opened.exists() is open_page
    assert not open_page or opened.read_text() == url


async def test_browser_is_started_without_the_settings(tmp_path: Path) -> None:
    script = tmp_path / "browser"
    script.write_text(f"#!/bin/sh\nenv > {tmp_path}/half && mv {tmp_path}/half {tmp_path}/environment\n")
    script.chmod(0o755)
    settings = environment(api_key="secret-key", site_id="secret-site") | {
        "customerio_http_tokens": "ann secret-token",
        "OTEL_EXPORTER_OTLP_HEADERS": "authorization=secret-header",
        "BROWSER": str(script),
        "KEPT": "yes",
    }
    with running("sandbox", "--port", "0", "--open", env=settings) as process:
        await wait_until((tmp_path / "environment").exists)
        process.terminate()
    received = (tmp_path / "environment").read_text()
    assert "KEPT=yes" in received
    assert "secret" not in received


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full")
def test_standard_output_on_a_full_disk_is_reported_without_a_traceback() -> None:
    with Path("/dev/full").open("w") as full:
        process = subprocess.run(
            [*COMMAND, "token", "ann"],
            stdout=full,
            stderr=subprocess.PIPE,
            encoding="utf-8",
            env=environment(),
            check=False,
        )
    assert process.stderr == "customerio-track-mcp: standard output cannot be written: No space left on device\n"


def test_sandbox_on_a_port_in_use_is_reported() -> None:
    with running("sandbox", "--port", "0") as sandbox:
        port = httpx.URL(url_from_stderr(sandbox, "sandbox Track API at")).port
        process = run("sandbox", "--port", str(port))
    assert process.returncode == 1
    assert process.stderr.endswith(f"cannot listen on 127.0.0.1 port {port}: Address already in use\n")


def test_sandbox_is_called_without_the_credentials_of_the_environment() -> None:
    real = environment(api_key="real-key", site_id="real-site", track_url="https://gateway.example")
    call = {"name": "send_event", "arguments": {"customer_id": "1", "event_name": "bought"}}
    messages = [INITIALIZE, {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": call}]
    process = run("--sandbox", stdin="".join(json.dumps(message) + "\n" for message in messages), env=real)
    assert json.loads(process.stdout.splitlines()[1])["result"]["structuredContent"]["success"]


@pytest.mark.parametrize("proxy", ["socks5://127.0.0.1:1", "nonsense://"])
def test_unusable_proxy_is_reported(proxy: str) -> None:
    process = run("stdio", env=environment(api_key="site:key") | {"ALL_PROXY": proxy})
    assert process.returncode == 2
    assert "ALL_PROXY: the proxy URL" in process.stderr
    assert "Traceback" not in process.stderr


@pytest.mark.parametrize("redirection", ["<&-", ">&-"])
def test_closed_standard_streams_are_reported(redirection: str) -> None:
    shell = f"exec {shlex.join(COMMAND)} --sandbox {redirection}"
    process = subprocess.run(["/bin/sh", "-c", shell], capture_output=True, text=True, timeout=60, check=False)
    assert process.returncode == 2
    assert "standard input and standard output must be open" in process.stderr


@pytest.mark.parametrize(
    "arguments", [["--version"], ["help"], ["http", "--help"], ["token", "ann"], ["rehearse", "--list"]]
)
def test_output_is_discarded_if_standard_output_is_closed(arguments: list[str]) -> None:
    shell = f"exec {shlex.join([*COMMAND, *arguments])} >&-"
    process = subprocess.run(["/bin/sh", "-c", shell], capture_output=True, text=True, timeout=60, check=False)
    assert process.returncode == 0
    assert "Traceback" not in process.stderr


def test_demo_prints_no_traceback_if_nobody_reads_its_output() -> None:
    shell = f"{shlex.join(COMMAND)} demo | head -n 1"
    process = subprocess.run(["/bin/sh", "-c", shell], capture_output=True, text=True, timeout=60, check=False)
    assert process.stdout.startswith("Started a sandbox Track API at")
    assert "Traceback" not in process.stderr
