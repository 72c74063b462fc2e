"""The server as an HTTP service, on loopback."""

from __future__ import annotations

import json
import signal
import subprocess
from collections.abc import Iterator
from typing import Any

import anyio
import httpx
import pytest
from mcp import Client

from customerio_track_mcp.sandbox import RunningSandbox
from tests.process import environment, run, running, url_told
from tests.scripted import ScriptedServer, answer, hang

HEADERS = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
EVENT = {
    "jsonrpc": "2.0",
    "id": 2,
    "method": "tools/call",
    "params": {"name": "send_event", "arguments": {"customer_id": "1", "event_name": "bought"}},
}


def answer_in(reply: httpx.Response) -> dict[str, Any]:
    """The JSON-RPC answer in the event stream of a reply."""
    (data,) = [line.removeprefix("data: ") for line in reply.text.splitlines() if line.startswith("data: {")]
    answer_told: dict[str, Any] = json.loads(data)
    return answer_told


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
        reply = await http.post(url, json=EVENT | {"id": "a"}, headers={"MCP-Protocol-Version": "2025-11-25"})
    assert reply.status_code == 200
    assert "mcp-session-id" not in reply.headers
    assert answer_in(reply)["result"]["structuredContent"]["success"]


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


async def test_sigterm_lets_calls_in_flight_finish_and_exits_0(scripted: ScriptedServer) -> None:
    stopping = anyio.Event()

    async def answer_after_sigterm(reader: object, writer: object) -> None:
        await stopping.wait()
        await answer(200, "{}")(reader, writer)  # type: ignore[arg-type]  # handed through as they came

    scripted.acts = [answer_after_sigterm]
    with running("http", "--port", "0", env=environment(track_url=scripted.url, api_key="site:key")) as process:
        url = url_told(process, "listening on")
        replies: list[httpx.Response] = []

        async def send() -> None:
            async with httpx.AsyncClient(trust_env=False, headers=HEADERS, timeout=30) as http:
                replies.append(await http.post(url, json=EVENT))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(send)
            await scripted.received.wait()
            process.send_signal(signal.SIGTERM)
            stopping.set()
        assert answer_in(replies[0])["result"]["structuredContent"]["success"]
        assert await anyio.to_thread.run_sync(process.wait) == 0


@pytest.mark.parametrize("method", ["GET", "DELETE", "PUT"])
async def test_nothing_but_post_is_answered(service: tuple[subprocess.Popen[str], str], method: str) -> None:
    """A GET would open a stream that carries nothing and holds up the end."""
    _, url = service
    async with httpx.AsyncClient(trust_env=False, timeout=5) as http:
        reply = await http.request(method, url, headers={"Accept": "text/event-stream"})
    assert (reply.status_code, reply.headers["allow"]) == (405, "POST")


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "example.com", ""])
def test_no_other_address_than_loopback_is_listened_on(host: str) -> None:
    ended = run("http", "--host", host, "--sandbox")
    assert ended.returncode == 2
    assert f"--host {host} is refused: without authentication" in ended.stderr


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
