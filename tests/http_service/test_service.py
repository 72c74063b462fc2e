"""The server as an HTTP service, on loopback."""

from __future__ import annotations

import asyncio
import re
import socket
import subprocess
from collections.abc import Iterator

import anyio
import httpx
import pytest
from mcp import Client
from uvicorn.protocols.http.h11_impl import H11Protocol

from customerio_track_mcp.sandbox import RunningSandbox
from tests.http_service.serving import HEADERS, PING, call, payload_in, serving
from tests.process import environment, run, running, url_told
from tests.scripted import ScriptedServer, hang


@pytest.fixture
def service() -> Iterator[tuple[subprocess.Popen[str], str]]:
    """The service over a sandbox of its own: its process and URL."""
    with running("http", "--port", "0", "--sandbox") as process:
        yield process, url_told(process, "listening on")


@pytest.mark.parametrize(("mode", "version"), [("legacy", "2025-11-25"), ("auto", "2026-07-28")])
async def test_the_main_job_over_http_for_both_generations(sandbox: RunningSandbox, mode: str, version: str) -> None:
    with running("http", "--port", "0", env=environment(track_url=sandbox.url, api_key="sandbox:sandbox")) as process:
        url = url_told(process, "listening on")
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


async def test_no_session_is_made_that_a_balancer_would_have_to_stick_to(
    service: tuple[subprocess.Popen[str], str],
) -> None:
    _, url = service
    async with httpx.AsyncClient(trust_env=False, headers=HEADERS) as http:
        reply = await http.post(url, json=call() | {"id": "a"}, headers={"MCP-Protocol-Version": "2025-11-25"})
    assert reply.status_code == 200
    assert "mcp-session-id" not in reply.headers
    assert payload_in(reply)["success"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "evil.example"}, 421),
        ({"Host": "localhost"}, 200),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "http://localhost:3000"}, 200),
    ],
)
async def test_requests_from_web_pages_elsewhere_are_refused(
    service: tuple[subprocess.Popen[str], str], headers: dict[str, str], status: int
) -> None:
    _, url = service
    async with httpx.AsyncClient(trust_env=False) as http:
        reply = await http.post(url, json=PING, headers=HEADERS | headers)
    assert reply.status_code == status


async def test_a_caller_who_leaves_cancels_the_call_upstream(scripted: ScriptedServer) -> None:
    """And the log says that it was begun: the event may have been recorded."""
    scripted.acts = [hang]
    with running("http", "--port", "0", env=environment(track_url=scripted.url, api_key="site:key")) as process:
        url = url_told(process, "listening on")
        async with Client(url) as client:
            with anyio.move_on_after(30) as scope:
                async with anyio.create_task_group() as tasks:
                    tasks.start_soon(client.call_tool, "send_event", {"customer_id": "1", "event_name": "bought"})
                    await scripted.received.wait()
                    scope.cancel()
            with anyio.fail_after(10):
                await scripted.client_left.wait()
        process.terminate()
        _, told = await anyio.to_thread.run_sync(process.communicate)
    assert re.search(r"tool=send_event outcome=cancelled attempts=1 ms=[\d.]+ person=[0-9a-f]{16}", told)


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT"])
async def test_nothing_but_post_is_answered(service: tuple[subprocess.Popen[str], str], method: str) -> None:
    """A GET would open a stream that carries nothing and holds up the end."""
    _, url = service
    async with httpx.AsyncClient(trust_env=False, timeout=5) as http:
        reply = await http.request(method, url, headers={"Accept": "text/event-stream"})
    assert (reply.status_code, reply.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.com", ""])
def test_beyond_loopback_it_does_not_listen_without_authentication(host: str) -> None:
    ended = run("http", "--host", host, "--sandbox")
    assert ended.returncode == 2
    assert f"--host {host} is refused: without authentication" in ended.stderr
    assert "--allow-unauthenticated" in ended.stderr


def test_with_authentication_it_listens_anywhere() -> None:
    tokens = "ann a-token-of-thirty-two-characters-or-more"
    settings = environment(http_tokens=tokens, http_public_url="https://mcp.example.com/mcp")
    with running("http", "--host", "0.0.0.0", "--port", "0", "--sandbox", env=settings) as process:
        port = httpx.URL(url_told(process, "listening on")).port
        url = f"http://127.0.0.1:{port}/mcp"
        assert process.stderr is not None
        assert "addressed to: 127.0.0.1, [::1], localhost, mcp.example.com" in process.stderr.readline()
        assert httpx.post(url, json=PING, headers=HEADERS, trust_env=False).status_code == 401


def test_without_authentication_it_listens_anywhere_only_when_told_aloud() -> None:
    arguments = ("--host", "0.0.0.0", "--port", "0", "--sandbox", "--allow-unauthenticated")
    with running("http", *arguments) as process:
        port = httpx.URL(url_told(process, "listening on")).port
        assert process.stderr is not None
        process.stderr.readline()
        assert "WARNING: everybody who reaches this port can write to the workspace" in process.stderr.readline()
        reply = httpx.post(f"http://127.0.0.1:{port}/mcp", json=PING, headers=HEADERS, trust_env=False)
        assert reply.status_code == 200


def test_bad_settings_of_the_service_stop_the_start() -> None:
    ended = run("http", "--sandbox", env=environment(http_tokens="ann secret-and-short", http_max_in_flight="0"))
    assert ended.returncode == 2
    assert "CUSTOMERIO_HTTP_MAX_IN_FLIGHT: " in ended.stderr
    ended = run("http", "--sandbox", env=environment(http_tokens="ann secret-and-short"))
    assert ended.returncode == 2
    assert "CUSTOMERIO_HTTP_TOKENS: entry 1 has a token of under 32 characters" in ended.stderr
    assert "secret-and-short" not in ended.stderr


@pytest.mark.parametrize(("host", "shown"), [("::1", "[::1]"), ("127.0.0.2", "127.0.0.2"), ("localhost", "localhost")])
def test_every_loopback_address_serves(host: str, shown: str) -> None:
    with running("http", "--host", host, "--port", "0", "--sandbox") as process:
        url = url_told(process, "listening on")
        assert url.startswith(f"http://{shown}:")
        assert httpx.post(url, json=PING, headers=HEADERS, trust_env=False).status_code == 200


def test_a_port_in_use_is_told(service: tuple[subprocess.Popen[str], str]) -> None:
    port = httpx.URL(service[1]).port
    ended = run("http", "--port", str(port), "--sandbox")
    assert ended.returncode == 1
    assert "can't listen there: Address already in use" in ended.stderr
    assert "Traceback" not in ended.stderr


async def test_an_answer_does_not_wait_for_acknowledgements(
    scripted: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which with Nagle's algorithm its second part would do, 40 ms for each call."""
    at_once: list[int] = []
    connection_made = H11Protocol.connection_made

    def spy(protocol: H11Protocol, transport: asyncio.Transport) -> None:
        at_once.append(transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))
        connection_made(protocol, transport)

    monkeypatch.setattr(H11Protocol, "connection_made", spy)
    async with serving(scripted.url) as http:
        assert payload_in(await http.post("/mcp", json=call()))["success"]
    assert at_once
    assert all(at_once)
