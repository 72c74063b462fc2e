"""Requests whose end, or whose meaning, a proxy could read differently: both parsers must refuse them."""

from __future__ import annotations

import json
from contextlib import suppress

import anyio
import pytest

from customerio_track_mcp.http.request_limits import MAX_FRAMING_BYTES, MAX_HEAD_BYTES
from customerio_track_mcp.sandbox import RunningSandbox
from tests.support.http_service import call, connect, read_until_closed, running_service
from tests.support.scripted_server import ScriptedServer, respond_when

HOST = b"Host: localhost\r\n"
GET = b"GET /healthz HTTP/1.1\r\n" + HOST
POST = b"POST /healthz HTTP/1.1\r\n" + HOST
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n"
LAST = GET + b"Connection: close\r\n\r\n"
"""A request that gets 200 if the service finds the end of the request before it where this one begins."""

INVALID_HEADS = {
    "no host": b"GET /healthz HTTP/1.1\r\n\r\n",
    "two hosts": GET + HOST + b"\r\n",
    "two hosts, HTTP/1.0": b"GET /healthz HTTP/1.0\r\n" + HOST + HOST + b"\r\n",
    "LF alone": b"GET /healthz HTTP/1.1\nHost: localhost\n\n",
    "LF alone after a header": GET + b"X: y\n\r\n",
    "LF alone at the end": GET + b"\n",
    "CR alone": GET + b"X: a\rb\r\n\r\n",
    "CR alone at the end": GET + b"\r\r\n",
    "empty line first": b"\r\n" + GET + b"\r\n",
    "header of two lines": GET + b"X: a\r\n b\r\n\r\n",
    "first header of two lines": b"GET /healthz HTTP/1.1\r\n " + HOST + b"\r\n",
    "space before the colon": GET + b"X : y\r\n\r\n",
    "no colon": GET + b"abc\r\n\r\n",
    "no name": GET + b": x\r\n\r\n",
    "bracket in a name": GET + b"X(: y\r\n\r\n",
    "non-ASCII name": GET + b"X\xff: y\r\n\r\n",
    "NUL": GET + b"X: a\0b\r\n\r\n",
    "control character": GET + b"X: a\x01b\r\n\r\n",
    "DEL": GET + b"X: a\x7fb\r\n\r\n",
    "lengths that differ": POST + b"Content-Length: 2\r\nContent-Length: 3\r\n\r\n{}",
    "equal lengths": POST + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
    "list of lengths": POST + b"Content-Length: 2, 2\r\n\r\n{}",
    "length with a plus": POST + b"Content-Length: +2\r\n\r\n{}",
    "negative length": POST + b"Content-Length: -2\r\n\r\n{}",
    "hexadecimal length": POST + b"Content-Length: 0x2\r\n\r\n{}",
    "length with an underscore": POST + b"Content-Length: 1_0\r\n\r\n{}",
    "empty length": POST + b"Content-Length:\r\n\r\n",
    "length with too many digits": POST + b"Content-Length: 99999999999999999999999\r\n\r\n",
    "length and chunks": POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunks and length": CHUNKED + b"Content-Length: 5\r\n\r\n0\r\n\r\n",
    "chunks in HTTP/1.0, upgrade": CHUNKED.replace(b"HTTP/1.1", b"HTTP/1.0")
    + b"Connection: upgrade\r\nUpgrade: h2c\r\n\r\n0\r\n\r\n",
    "chunks in HTTP/1.0": CHUNKED.replace(b"HTTP/1.1", b"HTTP/1.0") + b"\r\n0\r\n\r\n",
    "two codings": POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "two codings in two headers": POST + b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked twice": CHUNKED + b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked, then identity": POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "identity": POST + b"Transfer-Encoding: identity\r\n\r\n",
    "unknown coding": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "tab after the coding": POST + b"Transfer-Encoding: chunked\t\r\n\r\n0\r\n\r\n",
    "coding in quotes": POST + b'Transfer-Encoding: "chunked"\r\n\r\n0\r\n\r\n',
    "coding after a vertical tab": POST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "coding after a space in the name": POST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "empty coding": POST + b"Transfer-Encoding:\r\n\r\n",
    "CONNECT": b"CONNECT localhost:80 HTTP/1.1\r\n" + HOST + b"\r\n",
    "CONNECT of a path": b"CONNECT / HTTP/1.1\r\n" + HOST + b"\r\n",
    "absolute target": b"GET http://localhost/healthz HTTP/1.1\r\n" + HOST + b"\r\n",
    "absolute target of another host": b"GET http://example.com/healthz HTTP/1.1\r\n" + HOST + b"\r\n",
    "target without a slash": b"GET healthz HTTP/1.1\r\n" + HOST + b"\r\n",
    "asterisk": b"OPTIONS * HTTP/1.1\r\n" + HOST + b"\r\n",
    "fragment": b"GET /healthz#a HTTP/1.1\r\n" + HOST + b"\r\n",
    "non-ASCII target": b"GET /healthz\xff HTTP/1.1\r\n" + HOST + b"\r\n",
    "control character in the target": b"GET /healthz\x01 HTTP/1.1\r\n" + HOST + b"\r\n",
    "two spaces": b"GET  /healthz HTTP/1.1\r\n" + HOST + b"\r\n",
    "two spaces before the version": b"GET /healthz  HTTP/1.1\r\n" + HOST + b"\r\n",
    "space after the version": b"GET /healthz HTTP/1.1 \r\n" + HOST + b"\r\n",
    "tabs": b"GET\t/healthz\tHTTP/1.1\r\n" + HOST + b"\r\n",
    "no version": b"GET /healthz\r\n\r\n",
    "HTTP/0.9": b"GET /healthz HTTP/0.9\r\n" + HOST + b"\r\n",
    "HTTP/1.2": b"GET /healthz HTTP/1.2\r\n" + HOST + b"\r\n",
    "HTTP/2.0": b"GET /healthz HTTP/2.0\r\n" + HOST + b"\r\n",
    "version in lower case": b"GET /healthz http/1.1\r\n" + HOST + b"\r\n",
    "RTSP": b"OPTIONS /healthz RTSP/1.0\r\n" + HOST + b"\r\n",
    "preface of HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "words": b"hello\r\n\r\n",
}

INVALID_BODIES = {
    "LF alone after a size": b"2\n{}\r\n0\r\n\r\n",
    "LF alone after an extension": b"2;a\n{}\r\n0\r\n\r\n",
    "CR alone in an extension": b"2;a\rb\r\n{}\r\n0\r\n\r\n",
    "LF alone after a chunk": b"2\r\n{}\n0\r\n\r\n",
    "LF alone at the end": b"2\r\n{}\r\n0\r\n\n",
    "LF alone after a trailer": b"2\r\n{}\r\n0\r\nX: y\n\r\n",
    "trailer of two lines": b"2\r\n{}\r\n0\r\nX: y\r\n z\r\n\r\n",
    "trailer without a colon": b"2\r\n{}\r\n0\r\nabc\r\n\r\n",
    "NUL in a trailer": b"2\r\n{}\r\n0\r\nX: \0\r\n\r\n",
    "length as a trailer": b"2\r\n{}\r\n0\r\nContent-Length: 2\r\n\r\n",
    "coding as a trailer": b"2\r\n{}\r\n0\r\nTransfer-Encoding: chunked\r\n\r\n",
    "close as a trailer": b"2\r\n{}\r\n0\r\nConnection: close\r\n\r\n",
    "upgrade as a trailer": b"2\r\n{}\r\n0\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n",
    "space after a size": b"2 \r\n{}\r\n0\r\n\r\n",
    "space after the last size": b"2\r\n{}\r\n0 \r\n\r\n",
    "empty extension": b"2;\r\n{}\r\n0\r\n\r\n",
    "space in an extension": b"2; a\r\n{}\r\n0\r\n\r\n",
    "non-ASCII extension": b"2;\xff\r\n{}\r\n0\r\n\r\n",
    "prefix of a size": b"0x2\r\n{}\r\n0\r\n\r\n",
    "negative size": b"-2\r\n{}\r\n0\r\n\r\n",
    "empty size": b"\r\n{}\r\n0\r\n\r\n",
    "size with too many digits": b"f" * 30 + b"\r\n",
    "chunk that is longer than its size": b"2\r\n{}x\r\n0\r\n\r\n",
}

VALID = {
    "no body": (GET + b"\r\n", [200, 200]),
    "tab in a value": (GET + b"X: a\tb\r\n\r\n", [200, 200]),
    "non-ASCII value": (GET + b"X: \xff\r\n\r\n", [200, 200]),
    "body": (GET + b"Content-Length: 2\r\n\r\n{}", [200, 200]),
    "body that is a request": (GET + b"Content-Length: %d\r\n\r\n" % len(LAST) + LAST, [200, 200]),
    "chunk that is a request": (
        GET + b"Transfer-Encoding: chunked\r\n\r\n%x\r\n" % len(LAST) + LAST + b"\r\n0\r\n\r\n",
        [200, 200],
    ),
    "chunks": (GET + b"Transfer-Encoding: CHUNKED\r\n\r\n2\r\n{}\r\n0\r\n\r\n", [200, 200]),
    "extensions": (GET + b'Transfer-Encoding: chunked\r\n\r\n2;a=b;c="d"\r\n{}\r\n0;e\r\n\r\n', [200, 200]),
    "trailers": (GET + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nX: y\r\nHost: z\r\n\r\n", [200, 200]),
    "upgrade": (GET + b"Connection: upgrade\r\nUpgrade: websocket\r\n\r\n", [200, 200]),
    "upgrade with a body": (
        GET + b"Connection: Upgrade, HTTP2-Settings\r\nUPGRADE: h2c\r\nContent-Length: 2\r\n\r\n{}",
        [200, 200],
    ),
    "upgrade with chunks": (
        GET + b"Connection: upgrade\r\nUpgrade: h2c\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
        [200, 200],
    ),
    "method in lower case": (b"get /healthz HTTP/1.1\r\n" + HOST + b"\r\n", [405, 200]),
    "unknown method with a body": (b"!ODD /healthz HTTP/1.1\r\n" + HOST + b"Content-Length: 2\r\n\r\n{}", [405, 200]),
    "method of httptools": (b"SOURCE /healthz HTTP/1.1\r\n" + HOST + b"\r\n", [405, 200]),
    "two slashes": (b"GET //example.com/healthz HTTP/1.1\r\n" + HOST + b"\r\n", [404, 200]),
    "quotes in the target": (b'GET /"<>\\^`{|}%ff%zz?a?b HTTP/1.1\r\n' + HOST + b"\r\n", [404, 200]),
    "pipelined": ((GET + b"\r\n") * 10, [200] * 11),
}

LAST_REQUESTS = {
    "close": GET + b"Connection: close\r\n\r\n",
    "close among others": GET + b"Connection: x, Close\r\nConnection: keep-alive\r\n\r\n",
    "HTTP/1.0": b"GET /healthz HTTP/1.0\r\n\r\n",
    "HTTP/1.0, keep-alive": b"GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n" + HOST + b"\r\n",
    "HTTP/1.0, body": b"GET /healthz HTTP/1.0\r\nContent-Length: 2\r\n\r\n{}",
}


async def responses(sandbox: RunningSandbox, requests: dict[str, list[bytes]]) -> dict[str, list[int]]:
    """Return the statuses of all responses on one connection for each of these, which are sent in parts."""
    statuses: dict[str, list[int]] = {}
    async with running_service(sandbox.url) as http:
        for name, parts in requests.items():
            async with await connect(http) as stream:
                with suppress(anyio.BrokenResourceError):  # closed before the last part
                    for part in parts:
                        await stream.send(part)
                received = await read_until_closed(stream)
            statuses[name] = [int(rest[:3]) for rest in received.split(b"HTTP/1.1 ")[1:]]
    return statuses


async def test_ambiguous_heads_are_refused(sandbox: RunningSandbox) -> None:
    requests = {name: [head + LAST] for name, head in INVALID_HEADS.items()}
    assert await responses(sandbox, requests) == {key: [400] for key in INVALID_HEADS}


async def test_ambiguous_bodies_are_refused(sandbox: RunningSandbox) -> None:
    head = CHUNKED.replace(b"/healthz", b"/mcp") + b"\r\n"
    requests = {name: [head + body + LAST] for name, body in INVALID_BODIES.items()}
    assert await responses(sandbox, requests) == {key: [400] for key in INVALID_BODIES}


@pytest.mark.parametrize("size", [None, 1])
async def test_end_of_each_request_is_found(sandbox: RunningSandbox, size: int | None) -> None:
    requests = {
        name: [data + LAST] if size is None else [(data + LAST)[at : at + size] for at in range(len(data + LAST))]
        for name, (data, _) in VALID.items()
    }
    assert await responses(sandbox, requests) == {name: statuses for name, (_, statuses) in VALID.items()}


async def test_nothing_after_the_last_request_is_read(sandbox: RunningSandbox) -> None:
    requests = {name: [data + LAST] for name, data in LAST_REQUESTS.items()}
    assert await responses(sandbox, requests) == {key: [200] for key in LAST_REQUESTS}


async def test_what_follows_the_last_request_does_not_end_its_call(scripted: ScriptedServer) -> None:
    go = anyio.Event()
    scripted.acts = [respond_when(go)]
    body = json.dumps(call()).encode()
    head = (
        b"POST /mcp HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Type: application/json\r\n"
        b"Accept: application/json, text/event-stream\r\nContent-Length: %d\r\n\r\n" % len(body)
    )
    async with running_service(scripted.url) as http, await connect(http) as stream:
        await stream.send(head + body)
        await scripted.received.wait()
        for rest in (b"\r\n", LAST, b"a" * MAX_HEAD_BYTES):
            await stream.send(rest)
            # On another connection, so that the service has received the rest.
            assert (await http.get("/healthz")).status_code == 200
        go.set()
        received = await read_until_closed(stream)
    assert received.count(b"HTTP/1.1 ") == 1
    assert b'"success":true' in received


async def test_expectation_of_an_older_client_is_ignored(sandbox: RunningSandbox) -> None:
    head = POST.replace(b"HTTP/1.1", b"HTTP/1.0").replace(b"/healthz", b"/mcp") + b"Expect: 100-continue\r\n"
    assert await responses(sandbox, {"body": [head + b"Content-Length: 2\r\n\r\n{}"]}) == {"body": [400]}


async def test_white_space_around_a_value_is_not_part_of_it(sandbox: RunningSandbox) -> None:
    head = b"POST /mcp HTTP/1.1\r\nHost:\tlocalhost \t\r\nAccept: application/json, text/event-stream\t\r\n"
    body = b'{"jsonrpc":"2.0","id":1,"method":"ping"}'
    request = head + b"Content-Type:  application/json\t\r\nContent-Length: %d \r\n\r\n" % len(body) + body
    assert await responses(sandbox, {"call": [request + LAST]}) == {"call": [200, 200]}


X = b"X: "


@pytest.mark.parametrize(("excess", "status"), [(0, 200), (1, 431)])
@pytest.mark.parametrize("start", [b"GET /healthz?", GET + X])
@pytest.mark.parametrize("before", [b"", GET + b"\r\n"])
async def test_heads_are_limited_by_size(
    sandbox: RunningSandbox, excess: int, status: int, start: bytes, before: bytes
) -> None:
    end = (
        b"\r\nConnection: close\r\n\r\n"
        if start.endswith(X)
        else b" HTTP/1.1\r\nConnection: close\r\n" + HOST + b"\r\n"
    )
    head = start + b"a" * (MAX_HEAD_BYTES + excess - len(start + end)) + end
    statuses = await responses(sandbox, {"head": [before + head]})
    assert statuses["head"][-1:] == [status]
    assert len(statuses["head"]) == (2 if before else 1)


@pytest.mark.parametrize(
    "framing",
    [
        b"2;" + b"a" * MAX_FRAMING_BYTES + b"\r\n{}\r\n",
        (b"20;" + b"a" * 1000 + b"\r\n" + b" " * 32 + b"\r\n") * (MAX_FRAMING_BYTES // 900),
        b"2\r\n{}\r\n0\r\nX: " + b"a" * MAX_FRAMING_BYTES,
    ],
    ids=["extension", "extensions", "trailer"],
)
async def test_framing_of_a_body_is_limited_by_size(sandbox: RunningSandbox, framing: bytes) -> None:
    head = CHUNKED.replace(b"/healthz", b"/mcp") + b"\r\n"
    assert await responses(sandbox, {"body": [head + framing]}) == {"body": [400]}


async def test_large_body_in_chunks_is_accepted(sandbox: RunningSandbox) -> None:
    chunks = (b"400\r\n" + b" " * 1024 + b"\r\n") * 1000 + b"0\r\n\r\n"
    request = GET + b"Transfer-Encoding: chunked\r\n\r\n" + chunks + LAST
    assert await responses(sandbox, {"body": [request]}) == {"body": [200, 200]}
