"""`--sandbox` uses the sandbox that runs already, and starts one in its place when that stops."""

from __future__ import annotations

import json
import re
import socket
import subprocess
from collections.abc import AsyncIterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import anyio
import httpx
import pytest
from mcp import Client

from tests.support.loaded_command import run_loaded, running_loaded
from tests.support.messages import INITIALIZE
from tests.support.process import environment, stdio_parameters, terminate, url_from_stderr
from tests.support.sandbox_state import state_of
from tests.support.scripted_server import Act, ScriptedServer, respond
from tests.support.waiting import wait_until

OWN: Final = "sandbox Track API at"


@pytest.fixture
async def scripted() -> AsyncIterator[ScriptedServer]:
    """Receives every request, the lookup of a sandbox included."""
    async with ScriptedServer() as server:
        yield server


@pytest.fixture
def port() -> int:
    """A free port, which the servers of a test expect the sandbox on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        number: int = probe.getsockname()[1]
        return number


async def call(client: Client, name: str) -> dict[str, Any]:
    result = await client.call_tool("send_event", {"customer_id": "1", "event_name": name})
    assert result.structured_content is not None
    payload: dict[str, Any] = result.structured_content
    return payload


async def events_at(url: str) -> list[str]:
    async with httpx.AsyncClient(base_url=url, trust_env=False) as http:
        return [event["name"] for event in (await state_of(http))["events"]]


def instructions_of(process: subprocess.CompletedProcess[str]) -> str:
    text: str = json.loads(process.stdout)["result"]["instructions"]
    return text


def test_the_running_sandbox_is_used_and_named_at_startup_and_in_the_instructions(port: int) -> None:
    settings = environment(sandbox_port=str(port))
    with running_loaded("sandbox", "--port", str(port)) as sandbox:
        url = url_from_stderr(sandbox, OWN)
        process = run_loaded("--sandbox", stdin=json.dumps(INITIALIZE) + "\n", env=settings)
    assert url == f"http://127.0.0.1:{port}"
    (line,) = process.stderr.splitlines()
    assert line.endswith(
        f"using the sandbox Track API at {url}, which runs already (no real data); open it in a browser to watch"
    )
    assert instructions_of(process).endswith(f"This is a sandbox without real data: watch what arrives at {url}")


async def test_calls_go_on_after_the_server_with_the_sandbox_was_killed(port: int) -> None:
    settings = {"sandbox_port": str(port)}
    with running_loaded("--sandbox", env=environment(**settings)) as first:
        url = await anyio.to_thread.run_sync(url_from_stderr, first, OWN)
        async with Client(stdio_parameters("--sandbox", **settings)) as client:
            assert (await call(client, "before"))["success"] is True
            assert await events_at(url) == ["before"]
            first.kill()
            first.wait()
            assert (await call(client, "after"))["success"] is True
            assert await events_at(url) == ["after"]


async def test_one_of_several_servers_takes_over_and_all_go_on(port: int) -> None:
    settings = {"sandbox_port": str(port)}
    with running_loaded("sandbox", "--port", str(port)) as sandbox:
        url = await anyio.to_thread.run_sync(url_from_stderr, sandbox, OWN)
        async with (
            Client(stdio_parameters("--sandbox", **settings)) as one,
            Client(stdio_parameters("--sandbox", **settings)) as other,
        ):
            sandbox.kill()
            sandbox.wait()
            payloads = [await call(one, "of one"), await call(other, "of the other")]
            assert [payload["success"] for payload in payloads] == [True, True]
            assert await events_at(url) == ["of one", "of the other"]
    with pytest.raises(httpx.ConnectError):
        await events_at(url)  # it ended with the server that had started it


def test_servers_that_start_at_once_share_one_sandbox(port: int) -> None:
    env = environment(sandbox_port=str(port))
    with ExitStack() as stack:
        servers = [stack.enter_context(running_loaded("--sandbox", env=env)) for _ in range(4)]
        assert {url_from_stderr(server, OWN) for server in servers} == {f"http://127.0.0.1:{port}"}


async def test_the_takeover_is_reported_once_with_the_address(port: int) -> None:
    with running_loaded("sandbox", "--port", str(port)) as sandbox:
        url = await anyio.to_thread.run_sync(url_from_stderr, sandbox, OWN)
        with running_loaded(
            "http", "--port", "0", "--workers", "2", "--sandbox", env=environment(sandbox_port=str(port))
        ) as http:
            service = await anyio.to_thread.run_sync(url_from_stderr, http, "listening on")
            async with Client(service) as client:
                sandbox.kill()
                assert await anyio.to_thread.run_sync(url_from_stderr, http, OWN) == url
                for number in range(4):  # of both workers
                    assert (await call(client, str(number)))["success"] is True
            assert len(await events_at(url)) == 4
            log = await terminate(http)
    assert log.count("that is the port of the sandbox that was used before and has stopped") == 1
    assert "Traceback" not in log


async def test_a_named_sandbox_is_not_replaced(port: int) -> None:
    with running_loaded("sandbox", "--port", str(port)) as sandbox:
        url = await anyio.to_thread.run_sync(url_from_stderr, sandbox, OWN)
        settings = {"sandbox_port": str(port), "max_attempts": "2"}
        async with Client(stdio_parameters("--sandbox", url, **settings)) as client:
            assert (await call(client, "before"))["success"] is True
            sandbox.kill()
            sandbox.wait()
            assert (await call(client, "after"))["success"] is False


async def test_a_named_sandbox_may_start_after_the_server(port: int) -> None:
    url = f"http://127.0.0.1:{port}"
    with (
        running_loaded("http", "--port", "0", "--sandbox", url) as server,
        running_loaded("sandbox", "--port", str(port)),
    ):
        service = await anyio.to_thread.run_sync(url_from_stderr, server, "listening on")
        async with Client(service) as client:
            assert (await call(client, "late"))["success"] is True
            assert (client.instructions or "").endswith(url)
        assert await events_at(url) == ["late"]


@pytest.mark.parametrize("arguments", [["--sandbox"], ["stdio"], ["http", "--port", "0", "--sandbox"]])
def test_a_named_sandbox_that_does_not_answer_prevents_startup_in_one_line(port: int, arguments: list[str]) -> None:
    process = run_loaded(*arguments, env=environment(sandbox=f"http://127.0.0.1:{port}"))
    assert process.returncode == 2
    assert process.stdout == ""
    (line,) = process.stderr.splitlines()
    assert line.endswith(
        f"no sandbox answers at http://127.0.0.1:{port} (Connection refused); start one with 'customerio-track-mcp "
        "sandbox', or correct the URL in --sandbox or CUSTOMERIO_SANDBOX"
    )


async def test_a_named_address_of_another_program_prevents_startup(scripted: ScriptedServer) -> None:
    process = await anyio.to_thread.run_sync(run_loaded, "--sandbox", scripted.url)
    assert process.returncode == 2
    assert process.stderr.endswith(
        f"what answers at {scripted.url} is not a sandbox (status 200 at /_sandbox); correct the URL in --sandbox or "
        "CUSTOMERIO_SANDBOX\n"
    )


@pytest.mark.parametrize(
    ("act", "reason"),
    [
        (respond(404, ""), "is not a sandbox (status 404 at /_sandbox)"),
        (respond(200, '{"name": "customerio-track-mcp sandbox", "version": "0.0.1"}'), "is of version 0.0.1, and this"),
    ],
)
async def test_another_program_on_the_port_is_reported_and_left_alone(
    scripted: ScriptedServer, act: Act, reason: str
) -> None:
    scripted.otherwise = act
    env = environment(sandbox_port=scripted.url.rpartition(":")[2])
    stdin = json.dumps(INITIALIZE) + "\n"
    process = await anyio.to_thread.run_sync(lambda: run_loaded("--sandbox", stdin=stdin, env=env))
    problem, started = process.stderr.splitlines()
    assert reason in problem
    assert problem.endswith("this server starts its own on another port")
    (url,) = re.findall(r"sandbox Track API at (http://127\.0\.0\.1:\d+) ", started)
    assert url != scripted.url
    assert instructions_of(process).endswith(f"This is a sandbox without real data: watch what arrives at {url}")


def test_a_data_file_needs_a_sandbox_of_its_own(port: int, tmp_path: Path) -> None:
    file = str(tmp_path / "data")
    with running_loaded("sandbox", "--port", str(port)) as sandbox:
        url = url_from_stderr(sandbox, OWN)
        process = run_loaded("--sandbox", "--data", file, env=environment(sandbox_port=str(port)))
        problem, started = process.stderr.splitlines()
        assert f"port {port} is in use, and --data needs a sandbox of its own" in problem
        assert url not in started
        process = run_loaded("--sandbox", "--data", file, env=environment(sandbox=url))
    assert process.returncode == 2
    assert "--data needs a sandbox of its own: leave it out, or the URL of the sandbox" in process.stderr


async def test_the_page_that_opens_is_that_of_the_sandbox_that_is_used(port: int, tmp_path: Path) -> None:
    script = tmp_path / "browser"
    script.write_text(f'#!/bin/sh\nprintf %s "$1" > {tmp_path}/half && mv {tmp_path}/half {tmp_path}/url\n')
    script.chmod(0o755)
    opened = tmp_path / "url"
    with running_loaded("sandbox", "--port", str(port)) as sandbox:
        url = await anyio.to_thread.run_sync(url_from_stderr, sandbox, OWN)
        for arguments in (["--sandbox", "--open"], ["--sandbox", url, "--open"]):
            env = environment(sandbox_port=str(port)) | {"BROWSER": str(script)}
            assert (await anyio.to_thread.run_sync(lambda: run_loaded(*arguments, env=env))).returncode == 0  # noqa: B023
            await wait_until(opened.exists)
            assert opened.read_text() == url
            opened.unlink()


async def test_another_machine_is_warned_about(scripted: ScriptedServer) -> None:
    """Through a proxy, which stands for a network in which the hostname exists."""
    scripted.otherwise = respond(200, '{"name": "customerio-track-mcp sandbox", "version": "0.0.1"}')
    env = environment() | {"HTTP_PROXY": scripted.url}
    process = await anyio.to_thread.run_sync(lambda: run_loaded("--sandbox", "http://sandbox:8765", env=env))
    assert process.returncode == 0
    used, version, warning = process.stderr.splitlines()
    assert "using the sandbox Track API at http://sandbox:8765" in used
    assert "WARNING: that sandbox is of version 0.0.1" in version
    assert warning.endswith(
        "WARNING: all data of calls goes to http://sandbox:8765, which is not on this machine: use made-up data only"
    )


@pytest.mark.parametrize("settings", [{}, {"log_format": "json"}])
async def test_calls_of_an_embedded_sandbox_are_recorded_by_it(settings: dict[str, str], port: int) -> None:
    async with Client(stdio_parameters("--sandbox", sandbox_port=str(port), **settings)) as client:
        assert client.server_info is not None
        assert client.server_info.title == "Customer.io Track API (sandbox)"
        assert "live workspace" not in (client.instructions or "")
        assert (await call(client, "one"))["success"] is True
        assert await events_at(f"http://127.0.0.1:{port}") == ["one"]
