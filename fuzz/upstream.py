"""A Track API for the fuzzed server: it checks and counts what it receives, and its responses are odd at times.

The sandbox would keep everything in memory. A request always gets the same response, so that a finding can be repeated.
"""

from __future__ import annotations

import asyncio
import json
import re
import zlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

_END_OF_HEAD: Final = b"\r\n\r\n"
_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_EVENT_ID: Final = re.compile(rb'"id":"[0-9A-Z]{26}"')
_CONFIRMATION: Final = (200, b"", b"{}")
_ODD_RESPONSES: Final = (
    (400, b"", b'{"meta":{"errors":["\\ud800 is not valid","\\u202e\\u0000"]}}'),
    (400, b"", b'{"meta":{"error":"J\xfcrgen"}}'),
    (400, b"", b'{"meta":{"errors":[' + b"9" * 5000 + b"]}}"),
    (400, b"", b'{"meta":{"errors":' + b"[" * 5000 + b"]" * 5000 + b"}}"),
    (403, b"Content-Type: text/html\r\n", b"<html>Forbidden</html>"),
    (200, b"", b"<html></html>"),
    (200, b"", b"[]"),
    (302, b"Location: http://[::1\r\n", b""),
    (302, b"Location: https://track-eu.customer.io/\xff\r\n", b""),
    (429, b"Retry-After: " + b"9" * 400 + b"\r\n", b""),
    (429, b"Retry-After: Fri, 31 Dec 9999 23:59:59 GMT\r\n", b""),
)
_CONFIRMED_OF: Final = 20  # the rest gets an odd response


class Upstream:
    """What the upstream received.

    Attributes:
        url: the base URL.
        confirmed: the number of requests that it confirmed.
        invalid: requests that are not valid UTF-8 JSON, each as the start of its bytes.
    """

    def __init__(self) -> None:
        self.url = ""
        self.confirmed = 0
        self.invalid: list[bytes] = []

    def respond(self, head: bytes, body: bytes) -> bytes:
        """Return the response to a request, and count it."""
        try:
            json.loads(body.decode(), parse_constant=_reject_constant)
        except ValueError:
            self.invalid.append((head + body)[:500])
        content = head.partition(b" HTTP/")[0] + _EVENT_ID.sub(b"", body)
        kind, chosen = divmod(zlib.crc32(content), _CONFIRMED_OF)
        response = _CONFIRMATION if chosen else _ODD_RESPONSES[kind % len(_ODD_RESPONSES)]
        self.confirmed += response is _CONFIRMATION
        status, headers, text = response
        return b"HTTP/1.1 %d X\r\n%bContent-Length: %d\r\n\r\n%b" % (status, headers, len(text), text)


class _Connection(asyncio.Protocol):
    def __init__(self, upstream: Upstream) -> None:
        self._upstream = upstream
        self._received = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (end := self._received.find(_END_OF_HEAD)) >= 0:
            length = _LENGTH.search(self._received, 0, end)
            start = end + len(_END_OF_HEAD)
            size = start + (int(length[1]) if length else 0)
            if len(self._received) < size:
                return
            head, body = bytes(self._received[:start]), bytes(self._received[start:size])
            del self._received[:size]
            self._transport.write(self._upstream.respond(head, body))


@asynccontextmanager
async def running_upstream() -> AsyncIterator[Upstream]:
    """Run an upstream on a free port until the block ends."""
    upstream = Upstream()
    server = await asyncio.get_running_loop().create_server(lambda: _Connection(upstream), "127.0.0.1", 0, backlog=512)
    async with server:
        upstream.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        yield upstream


def _reject_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")
