"""The image's health check, with the command lines of a container's first process."""

from __future__ import annotations

import shutil
from pathlib import Path

import anyio
import pytest
from anyio import to_thread
from anyio.abc import SocketAttribute, SocketStream

from customerio_track_mcp.sandbox import RunningSandbox
from tests.support.health_check import first_process, health_check
from tests.support.http_service import running_service
from tests.support.process import running, terminate, url_from_stderr

pytestmark = [
    pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="needs /proc"),
    pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash"),
]


async def test_service_is_asked_where_its_command_line_says_and_without_a_proxy(sandbox: RunningSandbox) -> None:
    async with running_service(sandbox.url) as http:
        port = str(http.base_url.port)
        command_lines = [
            ["--host", "0.0.0.0", "--port", port],
            ["--host=0.0.0.0", f"--port={port}", "--workers", "2"],
            ["--ho", "", "--po", port],
            ["--port", "8000", "--port", port],
            [f"--sandbox --port {port} --allow-unauthenticated"],  # as the script of a shell
            ["--path", "/*", "--host", "localhost", "--port", port],
        ]
        for options in command_lines:
            with first_process("customerio-track-mcp", "http", *options) as process:
                result = await to_thread.run_sync(health_check, process)
                assert (result.returncode, result.stderr) == (0, ""), options
    with first_process("customerio-track-mcp", "http", "--port", port) as process:
        result = health_check(process)
        assert (result.returncode, result.stderr) == (1, f"not healthy: cannot connect to 127.0.0.1 port {port}\n")


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["http", "--port", "$PORT"], "argument --port: invalid port '$PORT'"),
        (["http", "--port"], "argument --port: expected one argument"),
        (["http", "--host"], "argument --host: expected one argument"),
        (["http", "--port", "80/../../etc"], "argument --port: invalid port '80/../../etc'"),
    ],
)
def test_command_line_that_cannot_be_parsed_is_not_healthy(arguments: list[str], reason: str) -> None:
    with first_process("customerio-track-mcp", *arguments) as process:
        result = health_check(process)
        assert (result.returncode, result.stderr) == (1, f"not healthy: {reason}\n")


@pytest.mark.parametrize("response", [b"HTTP/1.1 503 Service Unavailable\r\n\r\n", b"", b"200 200\n", b"\x00\xff\n"])
async def test_service_that_does_not_answer_200_is_not_healthy(response: bytes) -> None:
    async def respond(stream: SocketStream) -> None:
        async with stream:
            await stream.receive()
            await stream.send(response)

    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, respond)
        port = listener.extra_attributes[SocketAttribute.local_port]()
        with first_process("http", "--port", str(port)) as process:
            result = await to_thread.run_sync(health_check, process)
        tasks.cancel_scope.cancel()
    assert result.returncode == 1
    assert result.stderr.startswith("not healthy: /healthz returned ")


def test_container_of_another_command_is_healthy() -> None:
    with first_process("customerio-track-mcp", "stdio") as process:
        assert health_check(process).returncode == 0


def test_process_that_does_not_exist_is_not_healthy() -> None:
    result = health_check(str(2**22 + 1))
    assert (result.returncode, result.stderr) == (1, f"not healthy: process {2**22 + 1} does not exist\n")


@pytest.mark.parametrize("host", ["::", "127.0.0.2"])
def test_running_service_is_healthy_at_any_address(host: str) -> None:
    with running("http", "--host", host, "--port", "0", "--sandbox", "--allow-unauthenticated") as process:
        port = url_from_stderr(process, "listening on").rpartition(":")[2].partition("/")[0]
        with first_process("http", "--host", host, "--port", port) as stand_in:
            assert health_check(stand_in).returncode == 0


@pytest.mark.parametrize(
    "form", ["--host 0.0.0.0 --port {}", "--allow-host http --ho=0.0.0.0 --po={}", "--port {} --host ::"]
)
def test_sandbox_is_asked_where_its_command_line_says(form: str) -> None:
    host = "::" if "::" in form else "0.0.0.0"
    with running("sandbox", "--host", host, "--port", "0") as process:
        port = url_from_stderr(process, "sandbox Track API").rpartition(":")[2]
        options = form.format(port)
        for words in (
            ["customerio-track-mcp", "sandbox", *options.split()],
            [f"customerio-track-mcp sandbox {options}"],
        ):
            with first_process(*words) as stand_in:
                result = health_check(stand_in)
                assert (result.returncode, result.stderr) == (0, "")
    with first_process("customerio-track-mcp", "sandbox", *options.split()) as stand_in:
        result = health_check(stand_in)
    where = "::1" if host == "::" else "127.0.0.1"
    assert (result.returncode, result.stderr) == (1, f"not healthy: cannot connect to {where} port {port}\n")


async def test_sandbox_with_tls_is_healthy_when_it_accepts_connections(tmp_path: Path) -> None:
    ca_file = str(tmp_path / "ca.pem")
    with running("sandbox", "--tls", "--ca-file", ca_file, "--port", "0") as process:
        port = url_from_stderr(process, "sandbox Track API").rpartition(":")[2]
        with first_process("customerio-track-mcp", "sandbox", "--tls", "--port", port) as stand_in:
            for _ in range(3):
                assert (await to_thread.run_sync(health_check, stand_in)).returncode == 0
        assert "  this server: " in (await terminate(process)).splitlines()[-1]  # no check has left a line
    with first_process("customerio-track-mcp", "sandbox", "--tls", "--port", port) as stand_in:
        assert (await to_thread.run_sync(health_check, stand_in)).returncode == 1


async def test_sandbox_is_not_mistaken_for_the_service(sandbox: RunningSandbox) -> None:
    port = str(sandbox.port)
    with first_process("customerio-track-mcp", "http", "--sandbox", "--port", port) as process:
        result = await to_thread.run_sync(health_check, process)
    assert (result.returncode, result.stderr) == (1, "not healthy: /healthz returned 404\n")
    async with running_service(sandbox.url) as http:
        with first_process("customerio-track-mcp", "sandbox", "--port", str(http.base_url.port)) as process:
            result = await to_thread.run_sync(health_check, process)
    assert (result.returncode, result.stderr) == (1, "not healthy: /_sandbox returned 404\n")
