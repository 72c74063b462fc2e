"""TLS connections count from the start, and lose nothing that arrives with the end of their handshake."""

from __future__ import annotations

import asyncio
import logging
import ssl
from urllib.parse import urlsplit

import httpx
import pytest
import trustme

from customerio_track_mcp.sandbox import connections as sandbox_connections
from customerio_track_mcp.sandbox import run_sandbox, tls_handshakes
from tests.support.raw_clients import received, send, silent_clients
from tests.support.waiting import wait_until

REQUEST = b"GET /_sandbox HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
AUTHORITY = trustme.CA()
CLIENT = ssl.create_default_context()
AUTHORITY.configure_trust(CLIENT)


@pytest.fixture
def server_context() -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    AUTHORITY.issue_cert("localhost").configure_cert(context)
    return context


async def test_silent_clients_count_and_give_way_after_some_time(
    server_context: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sandbox_connections, "MAX_CONNECTIONS", 3)
    monkeypatch.setattr(tls_handshakes, "HANDSHAKE_SECONDS", 0.5)
    async with run_sandbox(ssl_context=server_context) as sandbox, silent_clients(sandbox.url, 3):
        url = f"https://localhost:{urlsplit(sandbox.url).port}"
        async with httpx.AsyncClient(base_url=url, verify=CLIENT, trust_env=False) as http:
            with pytest.raises(httpx.ConnectError):
                await http.get("/_sandbox")

            async def is_served() -> bool:
                try:
                    return (await http.get("/_sandbox")).status_code == 200
                except httpx.ConnectError:
                    return False

            await wait_until(is_served)
    assert [record.message for record in caplog.records if record.levelno >= logging.WARNING] == [
        "the sandbox has its maximum of 3 connections: further ones get 503"
    ]


async def test_clients_that_fail_the_handshake_do_not_count_any_longer(
    server_context: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(sandbox_connections, "MAX_CONNECTIONS", 3)
    async with run_sandbox(ssl_context=server_context) as sandbox, asyncio.timeout(30):
        url = f"https://localhost:{urlsplit(sandbox.url).port}"
        for _ in range(5):
            assert b"HTTP" not in await send(sandbox.url, REQUEST)
            with pytest.raises(ssl.SSLError):
                await asyncio.open_connection("localhost", urlsplit(url).port, ssl=ssl.create_default_context())
        async with httpx.AsyncClient(base_url=url, verify=CLIENT, trust_env=False) as http:
            assert (await http.get("/_sandbox")).status_code == 200
    assert caplog.records == []


async def test_request_that_arrives_with_the_end_of_the_handshake_is_served(server_context: ssl.SSLContext) -> None:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = CLIENT.wrap_bio(incoming, outgoing, server_hostname="localhost")
    async with run_sandbox(ssl_context=server_context) as sandbox, asyncio.timeout(30):
        reader, writer = await asyncio.open_connection("127.0.0.1", urlsplit(sandbox.url).port)
        while True:
            try:
                client.do_handshake()
                break
            except ssl.SSLWantReadError:
                writer.write(outgoing.read())
                incoming.write(await reader.read(2**16))
        client.write(REQUEST)
        writer.write(outgoing.read())  # the last bytes of the handshake and the request at once
        response = b""
        while not response:
            incoming.write(await reader.read(2**16))
            try:
                response = client.read(2**16)
            except ssl.SSLWantReadError:
                continue
        assert response.startswith(b"HTTP/1.1 200 OK")
        writer.transport.abort()


async def test_connection_over_the_maximum_is_closed_without_a_handshake(
    server_context: ssl.SSLContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sandbox_connections, "MAX_CONNECTIONS", 0)
    async with run_sandbox(ssl_context=server_context) as sandbox, silent_clients(sandbox.url, 1) as (client,):
        async with asyncio.timeout(30):
            assert await received(client, 1) == b""
