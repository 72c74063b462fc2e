"""The image's health check, with the command lines of a container's first process."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from anyio import to_thread

from customerio_track_mcp.cli.container_health import main
from customerio_track_mcp.sandbox import RunningSandbox
from tests.support.http_service import running_service
from tests.support.process import environment, running, url_from_stderr

pytestmark = pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="needs /proc")
UNUSED_PROXY = "http://127.0.0.1:9"


@contextmanager
def first_process(*arguments: str) -> Iterator[str]:
    """Run a process with this command line, preceded by a shell's; yields its id."""
    command = ["/bin/sh", "-c", "echo started; read line", *arguments]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        process.stdout.readline()
        yield str(process.pid)


@pytest.mark.parametrize(
    "options",
    [
        ["--host", "0.0.0.0", "--port", "PORT"],
        ["--host=0.0.0.0", "--port=PORT", "--workers", "2"],
        ["--host", "", "--port", "PORT"],
        ["--port", "8000", "--port", "PORT"],
        ["--sandbox --port PORT --allow-unauthenticated"],  # as the script of a shell
    ],
)
async def test_service_is_asked_where_its_command_line_says_and_without_a_proxy(
    sandbox: RunningSandbox, options: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, UNUSED_PROXY)
    async with running_service(sandbox.url) as http:
        arguments = [option.replace("PORT", str(http.base_url.port)) for option in options]
        with first_process("customerio-track-mcp", "http", *arguments) as process:
            assert await to_thread.run_sync(main, [process]) == 0
    with first_process("customerio-track-mcp", "http", *arguments) as process:
        assert await to_thread.run_sync(main, [process]) == 1


@pytest.mark.parametrize("arguments", [["http", "--port", "$PORT"], ["http", "--port"]])
def test_command_line_that_cannot_be_parsed_is_not_healthy(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with first_process("customerio-track-mcp", *arguments) as process:
        assert main([process]) == 1
    assert capsys.readouterr().err.startswith("customerio-track-mcp: not healthy: argument --port: ")


def test_container_of_another_command_is_healthy() -> None:
    with first_process("customerio-track-mcp", "stdio") as process:
        assert main([process]) == 0


def test_process_that_does_not_exist_is_not_healthy() -> None:
    assert main([str(2**22 + 1)]) == 1


@pytest.mark.parametrize("host", ["::", "127.0.0.2"])
def test_running_service_is_healthy_at_any_address(host: str) -> None:
    with running("http", "--host", host, "--port", "0", "--sandbox", "--allow-unauthenticated") as process:
        port = url_from_stderr(process, "listening on").rpartition(":")[2].partition("/")[0]
        check = [sys.executable, "-m", "customerio_track_mcp.cli.container_health"]
        with first_process("http", "--host", host, "--port", port) as stand_in:
            env = environment() | {"HTTP_PROXY": UNUSED_PROXY, "http_proxy": UNUSED_PROXY}
            assert subprocess.run([*check, stand_in], env=env, check=False).returncode == 0
