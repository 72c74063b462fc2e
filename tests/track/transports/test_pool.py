"""The choice of the transport, and the limit on concurrent requests."""

from __future__ import annotations

import asyncio

import anyio
import httpx
import pytest

from customerio_track_mcp.track import RetryPolicy, TrackClient, UnavailableError, create_transport
from tests.support.scripted_server import ScriptedServer, hang, respond
from tests.track.failing_calls import CREDENTIALS, ONE_ATTEMPT, PERSON, failure_of_identify, failure_of_track


async def test_closed_transport_sends_nothing(scripted: ScriptedServer) -> None:
    """A client that is closed does not get this far; a transport of its own may be used without one."""
    for is_used in (False, True):
        transport = create_transport(scripted.url)
        async with httpx.AsyncClient(transport=transport) as http:
            if is_used:
                await http.get(scripted.url)
            await transport.aclose()
            with pytest.raises(httpx.ConnectError, match="the client is closed"):
                await http.get(scripted.url)
    assert len(scripted.requests) == 1


async def test_wait_for_a_free_connection_times_out(scripted: ScriptedServer) -> None:
    scripted.acts = [hang]
    retry_policy = RetryPolicy(pool_timeout=0.05, max_attempts=1)
    async with (
        TrackClient(CREDENTIALS, scripted.url, max_connections=1, retry_policy=retry_policy) as client,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(client.track, "42", "uses the connection")
        await scripted.received.wait()
        error = await failure_of_track(client)
        tasks.cancel_scope.cancel()
    assert "PoolTimeout" in str(error)
    assert not error.outcome_unknown


async def test_canceled_call_frees_its_slot(scripted: ScriptedServer) -> None:
    scripted.acts = [hang]
    async with TrackClient(CREDENTIALS, scripted.url, max_connections=1) as client:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(client.identify, PERSON)
            tasks.start_soon(client.identify, "waits for the connection of the first")
            await scripted.received.wait()
            tasks.cancel_scope.cancel()
        assert (await client.identify(PERSON)).attempts == 1
    assert len(scripted.requests) == 2


def test_unreadable_certificates_are_reported_before_any_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", "/no/such/file")
    with pytest.raises(OSError, match="No such file"):
        TrackClient(CREDENTIALS)


@pytest.mark.parametrize(
    ("variables", "used"),
    [
        ({"HTTPS_PROXY": "http://PROXY"}, True),
        ({"HTTPS_PROXY": "PROXY"}, True),
        ({"ALL_PROXY": "http://PROXY"}, True),
        ({"HTTP_PROXY": "http://PROXY"}, False),
        ({"HTTPS_PROXY": "http://PROXY", "NO_PROXY": "example.org,customer.invalid"}, False),
        ({"HTTPS_PROXY": "http://PROXY", "NO_PROXY": "*"}, False),
    ],
)
async def test_proxy_variables_of_the_environment_are_followed(
    scripted: ScriptedServer, monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], used: bool
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value.replace("PROXY", scripted.url.removeprefix("http://")))
    scripted.acts = [respond(502, "")]
    retry_policy = RetryPolicy(max_attempts=1, connect_timeout=2)
    async with TrackClient(CREDENTIALS, "https://track.customer.invalid", retry_policy=retry_policy) as client:
        error = await failure_of_identify(client)
    lines = ["CONNECT track.customer.invalid:443 HTTP/1.1"] if used else []
    assert [request.line for request in scripted.requests] == lines
    assert not error.outcome_unknown


async def test_proxy_is_not_used_for_loopback(scripted: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    async with TrackClient(CREDENTIALS, scripted.url) as client:
        assert (await client.track("42", "seen")).attempts == 1


def test_use_in_another_event_loop_is_reported() -> None:
    class NoLimit:
        async def acquire(self) -> None:
            pass

    client = TrackClient(CREDENTIALS, "http://127.0.0.1:1", rate_limiter=NoLimit(), retry_policy=ONE_ATTEMPT)
    with pytest.raises(UnavailableError):
        asyncio.run(client.find_region())
    with pytest.raises(RuntimeError, match="a client cannot be used in another event loop than that of its first req"):
        asyncio.run(client.find_region())
    asyncio.run(client.aclose())
