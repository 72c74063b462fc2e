"""The limits on concurrent requests, per caller and in total."""

from __future__ import annotations

import anyio
import httpx
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client
from mcp.shared.exceptions import MCPError

from customerio_track_mcp.sandbox import RunningSandbox
from tests.support.authorization_server import AuthorizationServer, oauth_settings
from tests.support.http_service import (
    OTHER_TOKEN,
    PING,
    TOKEN,
    TWO_CALLERS,
    another_call,
    bearer,
    call,
    connect,
    payload_in,
    running_service,
)
from tests.support.scripted_server import ScriptedServer, respond_when
from tests.support.waiting import wait_until


async def test_caller_over_its_limit_gets_429_and_others_are_served(scripted: ScriptedServer) -> None:
    go = anyio.Event()
    scripted.acts = [respond_when(go)] * 2
    responses: list[httpx.Response] = []
    async with running_service(scripted.url, tokens=TWO_CALLERS, max_in_flight_per_caller=2) as http:

        async def send() -> None:
            responses.append(await http.post("/mcp", json=another_call(), headers=bearer(TOKEN)))

        async with anyio.create_task_group() as tasks:
            for _ in range(2):
                tasks.start_soon(send)
            await wait_until(lambda: len(scripted.requests) == 2)
            refused = await http.post("/mcp", json=call(), headers=bearer(TOKEN))
            assert (refused.status_code, refused.headers["retry-after"]) == (429, "1")
            assert refused.json()["error"]["message"] == (
                "Nothing was sent: 2 calls of this caller are already in flight, which is the maximum. "
                "Wait a second and call again."
            )
            assert payload_in(await http.post("/mcp", json=call(), headers=bearer(OTHER_TOKEN)))["success"]
            go.set()
        assert [payload_in(response)["success"] for response in responses] == [True, True]
        assert payload_in(await http.post("/mcp", json=call(), headers=bearer(TOKEN)))["success"]
    assert len(scripted.requests) == 4


async def test_every_caller_gets_429_over_the_total_limit(scripted: ScriptedServer) -> None:
    go = anyio.Event()
    scripted.acts = [respond_when(go)]
    async with (
        running_service(scripted.url, tokens=TWO_CALLERS, max_in_flight=1) as http,
        anyio.create_task_group() as tasks,
    ):

        async def send() -> None:
            assert payload_in(await http.post("/mcp", json=call(), headers=bearer(TOKEN)))["success"]

        tasks.start_soon(send)
        await scripted.received.wait()
        refused = await http.post("/mcp", json=call(), headers=bearer(OTHER_TOKEN))
        assert refused.status_code == 429
        assert "1 calls are already in flight" in refused.text
        assert (await http.get("/healthz")).status_code == 200
        go.set()


async def test_sdk_client_raises_the_message_of_a_busy_service(scripted: ScriptedServer) -> None:
    go = anyio.Event()
    scripted.acts = [respond_when(go)]
    async with (
        running_service(scripted.url, max_in_flight=1) as http,
        create_mcp_http_client() as http_client,
        Client(streamable_http_client(f"{http.base_url}/mcp", http_client=http_client)) as client,
        anyio.create_task_group() as tasks,
    ):

        async def send() -> None:
            await http.post("/mcp", json=call())

        tasks.start_soon(send)
        await scripted.received.wait()
        with pytest.raises(MCPError, match="Wait a second and call again"):
            await client.call_tool("send_event", {"customer_id": "1", "event_name": "bought"})
        go.set()


async def test_incomplete_requests_of_one_caller_do_not_block_others(sandbox: RunningSandbox) -> None:
    head = f"POST /mcp HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {TOKEN}\r\nContent-Length: 100\r\n\r\n{{"
    async with running_service(sandbox.url, tokens=TWO_CALLERS, max_in_flight_per_caller=20, body_timeout=60) as http:
        streams = [await connect(http) for _ in range(20)]
        for stream in streams:
            await stream.send(head.encode())

        async def ping_gets(status: int) -> bool:
            return (await http.post("/mcp", json=PING, headers=bearer(TOKEN))).status_code == status

        await wait_until(lambda: ping_gets(429))
        assert payload_in(await http.post("/mcp", json=call(), headers=bearer(OTHER_TOKEN)))["success"]
        for stream in streams:
            await stream.aclose()
        await wait_until(lambda: ping_gets(200))


async def test_jwts_and_static_tokens_are_counted_separately(
    scripted: ScriptedServer, issuer: AuthorizationServer
) -> None:
    go = anyio.Event()
    scripted.acts = [respond_when(go)]
    settings = oauth_settings(issuer) | {"tokens": f"agent {TOKEN}", "max_in_flight_per_caller": 1}
    async with running_service(scripted.url, **settings) as http, anyio.create_task_group() as tasks:
        token = issuer.token(sub=None)
        tasks.start_soon(lambda: http.post("/mcp", json=call(), headers=bearer(token)))
        await scripted.received.wait()
        # A JWT without a subject counts for its application, but a static token with the application's name does not.
        assert (await http.post("/mcp", json=call(), headers=bearer(token))).status_code == 429
        assert (await http.post("/mcp", json=call(), headers=bearer(TOKEN))).status_code == 200
        assert (await http.post("/mcp", json=call(), headers=bearer(issuer.token()))).status_code == 200
        go.set()
