"""Requests that are not valid HTTP, and those with many headers or many small chunks."""

from __future__ import annotations

import gc
import json
import logging
import sys
from typing import cast

import anyio
import pytest
from anyio.abc import SocketAttribute, SocketStream

from customerio_track_mcp.http.h11_requests import H11Requests
from customerio_track_mcp.http.httptools_requests import HttptoolsRequests
from customerio_track_mcp.http.request_limits import MAX_HEADERS, MAX_SMALL_CHUNKS, SMALL_CHUNK_BYTES
from customerio_track_mcp.http.request_parser import protocol_above
from customerio_track_mcp.http.uvicorn_protocol import UvicornProtocol
from customerio_track_mcp.sandbox import RunningSandbox
from tests.support.http_service import PING, TOKEN, TWO_CALLERS, connect, read_until_closed, running_service
from tests.support.waiting import wait_until

HEAD = b"POST /mcp HTTP/1.1\r\nHost: localhost\r\n"
CLOSE = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"


def protocol_of(client: SocketStream) -> UvicornProtocol | None:
    """Return the service's protocol, which is in this process, of the connection of a client."""
    address = client.extra(SocketAttribute.local_address)  # noqa: S610 - anyio's, not Django's
    return next(
        (item for item in gc.get_objects() if isinstance(item, UvicornProtocol) and item.client == address), None
    )


async def test_parser_of_the_setting_is_used(sandbox: RunningSandbox, http_parser: str) -> None:
    async with running_service(sandbox.url) as http, await connect(http) as stream:
        await wait_until(lambda: protocol_of(stream) is not None)
        assert isinstance(protocol_of(stream), H11Requests) == (http_parser == "h11")


def test_h11_is_used_if_httptools_is_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    assert issubclass(cast("type", protocol_above("auto")), HttptoolsRequests)
    monkeypatch.setitem(sys.modules, "httptools", None)  # as if it were not
    assert issubclass(cast("type", protocol_above("auto")), H11Requests)


def head_of(headers: int) -> bytes:
    """Return a request with this number of headers, of which most are the shortest that there are."""
    return CLOSE + b"a:\r\n" * (headers - 2) + b"\r\n"


@pytest.mark.parametrize("before", [b"", b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"])
@pytest.mark.parametrize(("headers", "status"), [(MAX_HEADERS, 200), (MAX_HEADERS + 1, 431), (3000, 431)])
async def test_headers_are_limited_by_number(sandbox: RunningSandbox, headers: int, status: int, before: bytes) -> None:
    async with running_service(sandbox.url, body_timeout=600) as http, await connect(http) as stream:
        # This ends with a header, so it is not known whether another one follows.
        await stream.send((before + head_of(headers))[:-2])
        if status == 200:
            await anyio.wait_all_tasks_blocked()
            await stream.send(b"\r\n")
        received = await read_until_closed(stream)
    assert received.count(b"HTTP/1.1 ") == (2 if before else 1)
    assert f"HTTP/1.1 {status}".encode() in received


async def test_lines_of_a_body_are_not_headers(sandbox: RunningSandbox) -> None:
    async with running_service(sandbox.url) as http:
        content = "\n" * 2000 + '{"jsonrpc":"2.0","id":1,"method":"ping"}'
        assert (await http.post("/mcp", content=content)).status_code == 200


@pytest.mark.parametrize(
    ("size", "number", "status"),
    [
        (1, MAX_SMALL_CHUNKS, 200),
        (1, MAX_SMALL_CHUNKS + 1, 400),
        (SMALL_CHUNK_BYTES - 1, MAX_SMALL_CHUNKS + 1, 400),
        (SMALL_CHUNK_BYTES, 1000, 200),
    ],
)
async def test_small_chunks_of_one_body_are_limited_by_number(
    sandbox: RunningSandbox, size: int, number: int, status: int
) -> None:
    head = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n"
    chunks = b"%x\r\n%b\r\n" % (size, b" " * size) * number
    async with running_service(sandbox.url) as http, await connect(http) as stream:
        if status == 200:  # they are counted for each body
            await stream.send(head + b"\r\n" + chunks + b"0\r\n\r\n")
            assert (await stream.receive()).startswith(b"HTTP/1.1 200")
            await stream.send(head + b"Connection: close\r\n\r\n" + chunks + b"0\r\n\r\n")
        else:
            await stream.send(head + b"\r\n" + chunks)
        assert (await read_until_closed(stream)).startswith(f"HTTP/1.1 {status}".encode())


async def test_trailers_are_limited_by_number(sandbox: RunningSandbox) -> None:
    head = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"
    async with running_service(sandbox.url) as http, await connect(http) as stream:
        await stream.send(head + b"a:\r\n" * MAX_HEADERS + b"\r\n")
        assert (await stream.receive()).startswith(b"HTTP/1.1 200")
        await stream.send(head + b"a:\r\n" * (MAX_HEADERS + 1) + b"\r\n")
        assert (await read_until_closed(stream)).startswith(b"HTTP/1.1 400")


@pytest.mark.parametrize(
    ("parts", "statuses"),
    [
        pytest.param([b"\0\0\r\n\r\n"], [400], id="head"),
        pytest.param([HEAD + b"Content-Length: 0\r\n\r\n\0\0\r\n\r\n"], [401, 400], id="second head"),
        pytest.param([HEAD + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n"], [400], id="body"),
        pytest.param([HEAD + b"Transfer-Encoding: chunked\r\n\r\n", b"zz\r\n"], [401], id="body after the response"),
        pytest.param([HEAD + b"Connection: close, upgrade\r\nUpgrade: h2c\r\n\r\n"], [401], id="upgrade"),
    ],
)
async def test_invalid_requests_are_counted_in_one_line(
    sandbox: RunningSandbox, caplog: pytest.LogCaptureFixture, parts: list[bytes], statuses: list[int]
) -> None:
    async with running_service(sandbox.url, tokens=TWO_CALLERS) as http:
        for _ in range(5):
            async with await connect(http) as stream:
                await stream.send(parts[0])
                received = await stream.receive() if len(parts) > 1 else b""
                for part in parts[1:]:
                    await stream.send(part)
                received += await read_until_closed(stream)
            assert [int(rest[:3]) for rest in received.split(b"HTTP/1.1 ")[1:]] == statuses
        assert (await http.post("/mcp", json=PING)).status_code == 401
    logged = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert {record.message for record in logged} <= {"invalid HTTP requests"}
    assert len(logged) < 3  # one per ten seconds


@pytest.mark.parametrize("after", [b"", b" ", b"\t", b" \t "])
@pytest.mark.parametrize("before", [b"", b" ", b"\t \t"])
async def test_white_space_around_a_value_is_not_part_of_it(
    sandbox: RunningSandbox, before: bytes, after: bytes
) -> None:
    headers = {
        b"Content-Type": b"application/json",
        b"Accept": b"application/json",
        b"Authorization": f"Bearer {TOKEN}".encode(),
        b"X-Request-Id": b"request-7",
        b"Connection": b"close",
    }
    lines = b"".join(b"%b:%b%b%b\r\n" % (name, before, value, after) for name, value in headers.items())
    body = json.dumps(PING).encode()
    async with running_service(sandbox.url, tokens=TWO_CALLERS) as http, await connect(http) as stream:
        await stream.send(HEAD + lines + b"Content-Length: %d\r\n\r\n%b" % (len(body), body))
        response = await read_until_closed(stream)
    assert response.startswith(b"HTTP/1.1 200")
    assert b"x-request-id: request-7\r\n" in response
