"""The number of connections, and what ends those of slow and silent clients."""

from __future__ import annotations

import asyncio
import gc
import logging
import socket
from contextlib import suppress
from functools import partial

import httpx
import pytest

from customerio_track_mcp.sandbox import RunningSandbox, connections, run_sandbox, server
from customerio_track_mcp.sandbox.bodies import BodyReader
from customerio_track_mcp.sandbox.bounds import MAX_CONNECTIONS
from customerio_track_mcp.sandbox.connections import max_connections
from tests.support.raw_clients import AUTHORIZATION, send
from tests.support.sandbox_state import state_of
from tests.support.waiting import wait_until

GET = b"GET /_sandbox/state HTTP/1.1\r\nHost: localhost\r\n"
PUT = b"PUT /api/v1/customers/1 HTTP/1.1\r\nHost: localhost\r\n" + AUTHORIZATION


async def test_connections_over_the_maximum_get_503_until_one_is_closed(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(connections, "MAX_CONNECTIONS", 2)
    async with run_sandbox() as sandbox, httpx.AsyncClient(base_url=sandbox.url, trust_env=False) as http:
        open_connections = [await asyncio.open_connection("127.0.0.1", http.base_url.port) for _ in range(2)]
        for _ in range(5):
            response = await http.get("/_sandbox/state")
            assert (response.status_code, response.headers["connection"]) == (503, "close")
            assert "maximum number of connections" in response.text
        for _, writer in open_connections:
            writer.transport.abort()

        async def is_served() -> bool:
            return (await http.get("/_sandbox/state")).status_code == 200

        await wait_until(is_served)
    assert caplog.text.count("maximum of 2 connections") == 1


@pytest.mark.parametrize("descriptors", [40, 10**6])
def test_connections_use_at_most_a_quarter_of_the_descriptors(
    monkeypatch: pytest.MonkeyPatch, descriptors: int
) -> None:
    resource = pytest.importorskip("resource")
    monkeypatch.setattr(resource, "getrlimit", lambda _: (descriptors, descriptors))
    assert max_connections() == min(MAX_CONNECTIONS, descriptors // 4)


@pytest.mark.parametrize(
    "content", [b"", GET + b"X-Endless: ", GET + b"\r\n", GET + b"\r\n" + GET], ids=["silent", "head", "idle", "second"]
)
async def test_connection_without_a_complete_head_is_closed(monkeypatch: pytest.MonkeyPatch, content: bytes) -> None:
    monkeypatch.setattr(server, "IDLE_SECONDS", 0.4)
    async with run_sandbox() as sandbox, asyncio.timeout(30):
        received = await send(sandbox.url, content)
    assert received.count(b"HTTP/1.1 200 OK") == content.count(b"\r\n\r\n")


@pytest.mark.parametrize("framing", [b"Content-Length: 10\r\n\r\n{", b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n"])
async def test_body_that_does_not_arrive_gets_408(monkeypatch: pytest.MonkeyPatch, framing: bytes) -> None:
    monkeypatch.setattr(server, "BodyReader", partial(BodyReader, seconds=0.1))
    async with run_sandbox() as sandbox, asyncio.timeout(30):
        received = await send(sandbox.url, PUT + framing)
    assert received.startswith(b"HTTP/1.1 408 ")
    assert b"the body was not received within 0.1 seconds" in received


@pytest.mark.parametrize(
    "content",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET / HTTP/9.9\r\n\r\n",
        b"G\xffT / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /\xff\xfe HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET http://[::1/ HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /" + b"a" * 20_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        GET + b"X: " + b"a" * 20_000 + b"\r\n\r\n",
        GET + b"".join(b"X%d: a\r\n" % number for number in range(200)) + b"\r\n",
        PUT + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        PUT + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
        PUT + b"Content-Encoding: gzip\r\nContent-Length: 5\r\nConnection: close\r\n\r\nhello",
    ],
)
async def test_invalid_http_gets_400_and_no_line_in_the_log(
    sandbox: RunningSandbox, caplog: pytest.LogCaptureFixture, content: bytes
) -> None:
    caplog.set_level(logging.INFO)
    async with asyncio.timeout(30):
        assert b" 400 " in (await send(sandbox.url, content)).partition(b"\r\n")[0]
    assert caplog.text == ""


@pytest.mark.parametrize(
    "content",
    [
        GET + b"X: ",
        PUT + b"Content-Length: 50\r\n\r\n{",
        b"POST /_sandbox/faults HTTP/1.1\r\nContent-Length: 50\r\n\r\n{",
    ],
)
async def test_client_that_leaves_in_the_middle_leaves_no_line_in_the_log(
    http: httpx.AsyncClient, caplog: pytest.LogCaptureFixture, content: bytes
) -> None:
    caplog.set_level(logging.INFO)
    for _ in range(10):
        _, writer = await asyncio.open_connection("127.0.0.1", http.base_url.port)
        writer.write(content)
        await writer.drain()
        await state_of(http)
        writer.transport.abort()
    await state_of(http)
    assert [record for record in caplog.records if record.name.startswith(("customerio", "aiohttp", "asyncio"))] == []


@pytest.mark.parametrize("iterations", range(6))
@pytest.mark.parametrize("tls", [False, True])
async def test_connection_accepted_while_the_sandbox_stops_is_closed(tls: bool, iterations: int) -> None:
    async with run_sandbox(tls=tls) as sandbox:
        clients = [socket.create_connection((sandbox.host, sandbox.port), timeout=30) for _ in range(5)]
        for _ in range(iterations):
            await asyncio.sleep(0)
    gc.collect()  # a transport that was not closed would be a ResourceWarning, which is an error
    for client in clients:
        with client, suppress(ConnectionResetError):
            assert client.recv(1) == b""


async def test_failure_of_the_sandbox_is_one_line_without_the_clients_data(
    http: httpx.AsyncClient, sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def fail(*_: object) -> None:
        raise LookupError("ann@example.com")

    monkeypatch.setattr(sandbox.workspace, "identify", fail)
    assert (await http.put("/api/v1/customers/ann@example.com", json={})).status_code == 500
    assert "failed to handle a request (LookupError)" in caplog.text
    assert "ann@example.com" not in caplog.text
    assert "Traceback" not in caplog.text
