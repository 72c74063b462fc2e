"""The bodies of requests: their size, and how many are in memory."""

from __future__ import annotations

import asyncio
import gzip

import httpx
import pytest

from customerio_track_mcp.sandbox import RunningSandbox
from customerio_track_mcp.sandbox.bounds import MAX_BODY_BYTES
from tests.support.raw_clients import AUTHORIZATION
from tests.support.sandbox_state import state_of


@pytest.mark.parametrize("size", [MAX_BODY_BYTES, MAX_BODY_BYTES + 1])
async def test_body_may_have_the_maximum_size(http: httpx.AsyncClient, size: int) -> None:
    response = await http.put("/api/v1/customers/1", content=b'{"plan": "pro"}'.ljust(size))
    assert response.status_code == (200 if size == MAX_BODY_BYTES else 413)
    assert len((await state_of(http))["people"]) == (1 if size == MAX_BODY_BYTES else 0)


async def test_largest_update_of_the_vendors_limits_is_accepted(http: httpx.AsyncClient) -> None:
    attributes = {f"{number:03}" + "é" * 73: "é" * 500 for number in range(300)}
    assert (await http.put("/api/v1/customers/1", json=attributes)).status_code == 200
    (person,) = (await state_of(http))["people"]
    assert person["attributes"] == attributes


@pytest.mark.parametrize("path", ["/api/v1/customers/1", "/_sandbox/faults"])
async def test_endless_body_is_rejected_and_the_connection_closed(sandbox: RunningSandbox, path: str) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", httpx.URL(sandbox.url).port)
    method = b"POST" if path == "/_sandbox/faults" else b"PUT"
    head = b"Host: localhost\r\n" + AUTHORIZATION + b"Transfer-Encoding: chunked\r\n\r\n"
    writer.write(method + b" " + path.encode() + b" HTTP/1.1\r\n" + head)

    async def send_endlessly() -> None:
        while True:
            writer.write(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")
            await writer.drain()

    async with asyncio.timeout(30):
        sending = asyncio.create_task(send_endlessly())
        assert b" 413 " in await reader.readline()
        with pytest.raises(ConnectionError):
            await sending
    writer.transport.abort()


async def test_compressed_body_counts_as_what_it_becomes(http: httpx.AsyncClient) -> None:
    content = gzip.compress(b" " * (100 * 2**20) + b"{}")
    assert len(content) < 2**17
    response = await http.put("/api/v1/customers/1", content=content, headers={"Content-Encoding": "gzip"})
    assert response.status_code == 413


async def test_small_bodies_do_not_wait_for_large_ones(http: httpx.AsyncClient) -> None:
    head = b"PUT /api/v1/customers/1 HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n" + AUTHORIZATION + b"\r\n"
    clients = [await asyncio.open_connection("127.0.0.1", http.base_url.port) for _ in range(30)]
    sends: list[asyncio.Task[None]] = []
    for _, writer in clients:
        writer.write(head % MAX_BODY_BYTES)
        writer.write(b"{}".ljust(MAX_BODY_BYTES - 1))
        sends.append(asyncio.create_task(writer.drain()))
    async with asyncio.timeout(30):
        assert (await http.put("/api/v1/customers/2", json={"plan": "pro"})).status_code == 200
        for (reader, writer), sent in zip(clients, sends, strict=True):
            await sent
            writer.write(b" ")
            assert b" 200 " in await reader.readline()
            writer.transport.abort()
