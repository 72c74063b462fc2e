"""The command `http` on loopback and beyond, and `token`, which creates a caller's token for it."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import anyio
import httpx
import pytest
from mcp import Client

from customerio_track_mcp.http.auth.static_tokens import StaticTokens
from customerio_track_mcp.sandbox import RunningSandbox
from tests.support.http_service import HEADERS, PING, call, payload_in
from tests.support.process import KEY, environment, run, running, terminate, url_from_stderr
from tests.support.scripted_server import ScriptedServer, hang


@pytest.fixture
def service() -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A service with an embedded sandbox: its process and URL."""
    with running("http", "--port", "0", "--sandbox") as process:
        yield process, url_from_stderr(process, "listening on")


@pytest.mark.usefixtures("http_parser")
@pytest.mark.parametrize(("mode", "version"), [("legacy", "2025-11-25"), ("auto", "2026-07-28")])
async def test_tools_work_over_http_with_both_protocol_versions(
    sandbox: RunningSandbox, mode: str, version: str
) -> None:
    with running("http", "--port", "0", env=environment(track_url=sandbox.url, api_key="sandbox:sandbox")) as process:
        url = url_from_stderr(process, "listening on")
        async with Client(url, mode=mode) as client:
            assert client.protocol_version == version
            assert len((await client.list_tools()).tools) == 3
            result = await client.call_tool(
                "create_or_update_customer", {"customer_id": "1", "email": "ann@example.com"}
            )
            assert result.structured_content["success"]
            result = await client.call_tool("send_event", {"customer_id": "1"})
            assert result.is_error
    assert [person.email for person in sandbox.workspace.people] == ["ann@example.com"]


async def test_no_session_is_created(service: tuple[subprocess.Popen[str], str]) -> None:
    """Otherwise a load balancer must send all requests of a session to the same replica."""
    _, url = service
    async with httpx.AsyncClient(trust_env=False, headers=HEADERS) as http:
        response = await http.post(url, json=call() | {"id": "a"}, headers={"MCP-Protocol-Version": "2025-11-25"})
    assert response.status_code == 200
    assert "mcp-session-id" not in response.headers
    assert payload_in(response)["success"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 421),
        ({"Host": "localhost"}, 200),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "http://localhost:3000"}, 200),
    ],
)
async def test_requests_from_other_websites_are_rejected(
    service: tuple[subprocess.Popen[str], str], headers: dict[str, str], status: int
) -> None:
    _, url = service
    async with httpx.AsyncClient(trust_env=False) as http:
        response = await http.post(url, json=PING, headers=HEADERS | headers)
    assert response.status_code == status


@pytest.mark.usefixtures("http_parser")
async def test_client_that_disconnects_cancels_its_call_and_the_attempt_is_logged(scripted: ScriptedServer) -> None:
    """The log must show that an attempt was made: the event may have been recorded."""
    scripted.acts = [hang]
    with running("http", "--port", "0", env=environment(track_url=scripted.url, api_key="site:key")) as process:
        url = url_from_stderr(process, "listening on")
        async with Client(url) as client:
            with anyio.move_on_after(30) as scope:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(client.call_tool, "send_event", {"customer_id": "1", "event_name": "bought"})
                    await scripted.received.wait()
                    scope.cancel()
            with anyio.fail_after(30):
                await scripted.client_left.wait()
        log = await terminate(process)
    assert re.search(r"tool=send_event outcome=cancelled attempts=1 ms=[\d.]+ person=[0-9a-f]{16}", log)


@pytest.mark.usefixtures("http_parser")
@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT"])
async def test_only_post_is_allowed(service: tuple[subprocess.Popen[str], str], method: str) -> None:
    """The SDK would respond to GET with a stream that carries nothing and delays shutdown."""
    _, url = service
    async with httpx.AsyncClient(trust_env=False, timeout=5) as http:
        response = await http.request(method, url, headers={"Accept": "text/event-stream"})
    assert (response.status_code, response.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.com", ""])
def test_non_loopback_address_is_refused_without_authentication(host: str) -> None:
    completed = run("http", "--host", host, "--sandbox")
    assert completed.returncode == 2
    assert f"--host {host} is refused: without authentication" in completed.stderr
    assert "--allow-unauthenticated" in completed.stderr


def test_misspelled_tokens_behind_a_proxy_are_refused_with_the_name_that_was_meant() -> None:
    settings = environment(http_token=f"ann {KEY}", http_public_url="https://mcp.example.com/mcp")
    completed = run("http", "--port", "0", "--sandbox", env=settings)
    assert completed.returncode == 2
    unknown, refused = completed.stderr.splitlines()
    assert "WARNING: CUSTOMERIO_HTTP_TOKEN is not a setting" in unknown
    assert "did you mean CUSTOMERIO_HTTP_TOKENS?" in unknown
    assert "CUSTOMERIO_HTTP_PUBLIC_URL (https://mcp.example.com/mcp) is refused: without authentication" in refused
    assert KEY not in completed.stderr


@pytest.mark.parametrize("workers", ["1", "2"])
def test_unknown_variables_are_reported_once(workers: str) -> None:
    with running("http", "--port", "0", "--sandbox", "--workers", workers, env=environment(http_token="x")) as process:
        assert process.stderr is not None
        lines = []
        for line in process.stderr:
            lines.append(line)
            if "listening on" in line:
                process.terminate()
        assert process.wait(timeout=60) == 0
    assert len([line for line in lines if "CUSTOMERIO_HTTP_TOKEN is not a setting" in line]) == 1


def test_non_loopback_address_is_allowed_with_authentication() -> None:
    tokens = "ann a-token-of-thirty-two-characters-or-more"
    settings = environment(http_tokens=tokens, http_public_url="https://mcp.example.com/mcp")
    with running("http", "--host", "0.0.0.0", "--port", "0", "--sandbox", env=settings) as process:
        port = httpx.URL(url_from_stderr(process, "listening on")).port
        url = f"http://127.0.0.1:{port}/mcp"
        assert process.stderr is not None
        line = process.stderr.readline()
        assert "accepts requests for these hostnames: 127.0.0.1, [::1], localhost, mcp.example.com" in line
        assert httpx.post(url, json=PING, headers=HEADERS, trust_env=False).status_code == 401


@pytest.mark.parametrize(
    ("public_url", "path", "reported"),
    [
        ("https://mcp.example.com/customerio/mcp", "/mcp", "/customerio/mcp"),
        ("https://mcp.example.com/mcp", "/customerio/mcp", "/mcp"),
        ("https://mcp.example.com", "/mcp", "/"),
        ("https://mcp.example.com/mcp/", "/mcp", None),
        ("https://mcp.example.com", "/", None),
    ],
)
def test_public_url_with_another_path_is_reported(public_url: str, path: str, reported: str | None) -> None:
    tokens = "ann a-token-of-thirty-two-characters-or-more"
    settings = environment(http_tokens=tokens, http_public_url=public_url, http_path=path)
    with running("http", "--host", "0.0.0.0", "--port", "0", "--sandbox", env=settings) as process:
        url = httpx.URL(url_from_stderr(process, "listening on"))
        assert url.path == path
        assert process.stderr is not None
        line = process.stderr.readline()
        expected = f"PUBLIC_URL has the path {reported}, but CUSTOMERIO_HTTP_PATH is {path};" if reported else "accepts"
        assert expected in line
        endpoint = f"http://127.0.0.1:{url.port}{path}"
        assert httpx.post(endpoint, json=PING, headers=HEADERS, trust_env=False).status_code == 401


@pytest.mark.parametrize(
    ("host", "settings"), [("0.0.0.0", {}), ("127.0.0.1", {"http_public_url": "https://mcp.example.com/mcp"})]
)
def test_exposed_service_is_allowed_unauthenticated_with_the_flag(host: str, settings: dict[str, str]) -> None:
    arguments = ("--host", host, "--port", "0", "--sandbox", "--allow-unauthenticated")
    with running("http", *arguments, env=environment(**settings)) as process:
        port = httpx.URL(url_from_stderr(process, "listening on")).port
        assert process.stderr is not None
        line = next(line for line in process.stderr if "accepts requests" not in line)
        assert "WARNING: everybody who can reach this port can write to the workspace" in line
        response = httpx.post(f"http://127.0.0.1:{port}/mcp", json=PING, headers=HEADERS, trust_env=False)
        assert response.status_code == 200


def test_invalid_http_settings_prevent_startup() -> None:
    completed = run("http", "--sandbox", env=environment(http_tokens="ann secret-and-short", http_max_in_flight="0"))
    assert completed.returncode == 2
    assert "CUSTOMERIO_HTTP_MAX_IN_FLIGHT: " in completed.stderr
    completed = run("http", "--sandbox", env=environment(http_tokens="ann secret-and-short"))
    assert completed.returncode == 2
    assert "CUSTOMERIO_HTTP_TOKENS: entry 1 has a token of fewer than 32 characters" in completed.stderr
    assert "secret-and-short" not in completed.stderr


@pytest.mark.parametrize(
    ("host", "hostname"), [("::1", "[::1]"), ("127.0.0.2", "127.0.0.2"), ("localhost", "localhost")]
)
def test_service_listens_on_any_loopback_address(host: str, hostname: str) -> None:
    with running("http", "--host", host, "--port", "0", "--sandbox") as process:
        url = url_from_stderr(process, "listening on")
        assert url.startswith(f"http://{hostname}:")
        assert httpx.post(url, json=PING, headers=HEADERS, trust_env=False).status_code == 200


def test_port_in_use_is_reported(service: tuple[subprocess.Popen[str], str]) -> None:
    port = httpx.URL(service[1]).port
    completed = run("http", "--port", str(port), "--sandbox")
    assert completed.returncode == 1
    assert f"cannot listen on 127.0.0.1 port {port}: Address already in use" in completed.stderr
    assert "Traceback" not in completed.stderr


def test_token_command_prints_a_token_and_a_valid_line_for_the_file(tmp_path: Path) -> None:
    completed = run("token", "ann")
    assert completed.returncode == 0
    token, line = [line.strip() for line in completed.stdout.splitlines() if line.startswith("    ")]
    (tmp_path / "tokens").write_text(line, encoding="utf-8")
    access = StaticTokens(None, tmp_path / "tokens").verify(token)
    assert access is not None
    assert access.client_id == "ann"
    assert run("token", "an n").returncode == 2
