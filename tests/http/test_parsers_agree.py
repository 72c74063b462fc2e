"""Random requests, most of them not valid: both parsers must find the same requests in what a client sends."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Final

import anyio
import uvicorn
from anyio.lowlevel import checkpoint
from starlette.types import Receive, Scope, Send
from uvicorn.server import ServerState

from customerio_track_mcp.http.client_timeouts import client_timeouts
from customerio_track_mcp.http.request_parser import protocol_above
from customerio_track_mcp.http.small_reads import READ_BYTES
from customerio_track_mcp.settings.http import HttpParser
from tests.support.http_service import read_until_closed

Request = tuple[str, bytes, bytes, bytes]
"""Method, path, query and body."""

LAST: Final = b"GET /last HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"
METHODS: Final = (b"GET", b"POST", b"POST", b"HEAD", b"OPTIONS", b"get", b"SOURCE", b"PRI", b"ODD", b"CONNECT")
TARGETS: Final = (
    b"/a?b",
    b"/a?b",
    b"/a?b",
    b"/",
    b"//a/b",
    b"/%2e%00",
    b'/"<>^`{}|',
    b"/a??",
    b"/a#b",
    b"*",
    b"http://a/",
)
VERSIONS: Final = (b"HTTP/1.1", b"HTTP/1.1", b"HTTP/1.1", b"HTTP/1.1", b"HTTP/1.0", b"HTTP/1.2")
HEADERS: Final = (
    b"X: y \t",
    b"X:",
    b"Connection: close",
    b"Connection: keep-alive, close",
    b"Connection: upgrade\r\nUpgrade: h2c",
    b"Expect: 100-continue",
    b"Host: b",
    b"Content-Length: 0",
    b"Content-Length: 2",
    b"Content-Length: 2 ",
    b"Content_Length: 5",
    b"Transfer-Encoding: chunked",
    b"Transfer-Encoding: identity",
    b"Transfer-Encoding: gzip, chunked",
    b"Transfer-Encoding: chunked\t",
)
EXTENSIONS: Final = (b"", b"", b"", b";a", b";a=b", b';a="b;c"', b";", b" ;a", b"; a", b" ", b"\t", b";a b", b";a\xff")
TRAILERS: Final = (
    b"X: y",
    b"X:",
    b"Host: b",
    b"Content-Length: 5",
    b"Transfer-Encoding: chunked",
    b"Connection: close",
    b"Connection: upgrade\r\nUpgrade: x",
    b"abc",
)
MUTATIONS: Final = (
    *(b"\r", b"\n", b"\r\n", b"\n\n", b"\r\n\r\n", b" ", b"\t", b"\0", b"\x0b", b"\x7f", b"\xff"),
    *(b":", b";", b",", b"0", b"a", b"-", b"+", b"_", b"/", b"#"),
)


def chunks(random_: random.Random) -> bytes:
    sent = b""
    for _ in range(random_.randrange(4)):
        content = random_.choice((b"a", b"\r\n0\r\n\r\n", LAST))
        sent += b"%x%b\r\n%b\r\n" % (len(content), random_.choice(EXTENSIONS), content)
    trailers = [random_.choice(TRAILERS) + b"\r\n" for _ in range(random_.choice((0, 0, 0, 1, 2)))]
    return sent + b"0%b\r\n%b\r\n" % (random_.choice(EXTENSIONS), b"".join(trailers))


def request(random_: random.Random) -> bytes:
    headers = [b"Host: a", *random_.choices(HEADERS, k=random_.choice((0, 0, 1, 2)))]
    body = random_.choice((b"", b"{}", chunks(random_)))
    if body:
        headers.append(b"Content-Length: 2" if body == b"{}" else b"Transfer-Encoding: chunked")
    random_.shuffle(headers)
    line = b" ".join(random_.choice(part) for part in (METHODS, TARGETS, VERSIONS))
    return b"".join(b"%b\r\n" % part for part in [line, *headers]) + b"\r\n" + body


def mutated(random_: random.Random, data: bytes) -> bytes:
    for _ in range(random_.choice((0, 0, 1, 1, 2))):
        at = random_.randrange(len(data))
        data = data[:at] + random_.choice((b"", *MUTATIONS)) + data[at + random_.randrange(2) :]
    return data


@asynccontextmanager
async def serving(parser: HttpParser, requests: list[Request]) -> AsyncIterator[int]:
    """Serve with a parser; `requests` receives each complete one. Yields the port."""

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        body, is_complete = b"", False
        while not is_complete:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            body, is_complete = body + message["body"], not message["more_body"]
        requests.append((scope["method"], scope["raw_path"], scope["query_string"], body))
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    config = uvicorn.Config(app, log_config=None, access_log=False, ws="none")
    config.load()
    create, state, buffer = protocol_above(parser), ServerState(), bytearray(READ_BYTES)

    def create_protocol() -> asyncio.BaseProtocol:
        return create(
            timeouts=client_timeouts(10, 10, 100),
            buffer=buffer,
            on_invalid_request=lambda: None,
            config=config,
            server_state=state,
            app_state={},
        )

    server = await asyncio.get_running_loop().create_server(create_protocol, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]


async def exchange(port: int, data: bytes, parts: int) -> list[int]:
    """Send bytes in parts on one connection, and no more; return the statuses of the responses to requests."""
    size = -(-len(data) // parts)
    async with await anyio.connect_tcp("127.0.0.1", port) as stream:
        with suppress(anyio.BrokenResourceError):  # closed before the last part
            for at in range(0, len(data), size):
                await stream.send(data[at : at + size])
                await checkpoint()
            await stream.send_eof()
        received = await read_until_closed(stream)
    return [int(rest[:3]) for rest in received.split(b"HTTP/1.1 ")[1:]]


async def test_both_parsers_find_the_same_requests() -> None:
    by_h11: list[Request] = []
    by_httptools: list[Request] = []
    valid = 0
    async with serving("h11", by_h11) as h11, serving("httptools", by_httptools) as httptools:
        for seed in range(400):
            random_ = random.Random(seed)  # noqa: S311 - not for cryptography
            data = mutated(random_, b"".join(request(random_) for _ in range(random_.choice((1, 1, 2, 3))))) + LAST
            parts = random_.choice((1, 1, 2, 5))
            statuses = await exchange(h11, data, parts), await exchange(httptools, data, parts)
            assert by_h11 == by_httptools, (seed, data)
            # Either may wait for the end of what is not valid, where the other responds.
            assert statuses[0].count(204) == statuses[1].count(204), (seed, data)
            valid += bool(by_h11)
            by_h11.clear()
            by_httptools.clear()
    assert 40 < valid < 200
