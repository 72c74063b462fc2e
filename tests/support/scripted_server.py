"""An HTTP server over a raw socket that responds by a script and records every request as it was received."""

from __future__ import annotations

import asyncio
import json
import socket
import ssl
import struct
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import anyio

Act = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
"""What the server does with one request: it responds, or it breaks the connection."""


@dataclass(frozen=True)
class RawRequest:
    """One request as it was received.

    Attributes:
        line: the request line.
        headers: the headers, with names in lower case.
        body: the body.
    """

    line: str
    headers: dict[str, str]
    body: bytes

    @property
    def target(self) -> str:
        """The path and query."""
        return self.line.split(" ")[1]

    @property
    def json(self) -> Any:
        """The body, parsed."""
        return json.loads(self.body)


class ScriptedServer:
    """Performs one `Act` per request, in order; when none is left, it performs `otherwise`.

    Args:
        tls: for https.
        port: where it listens; 0 for any free port.
        hides_lookups: whether the question whether it is a sandbox gets 404, uses up no act and is not counted.

    Attributes:
        acts: what to do with the next requests.
        otherwise: what to do with others; by default, to respond 200 with an empty object.
        requests: the requests so far.
        connections: the number of connections so far.
        received: set at the first request.
        client_left: set when a connection has ended.
    """

    def __init__(self, tls: ssl.SSLContext | None = None, port: int = 0, *, hides_lookups: bool = False) -> None:
        self._tls = tls
        self._hides_lookups = hides_lookups
        self._port = port
        self.requests: list[RawRequest] = []
        self.acts: list[Act] = []
        self.otherwise: Act = respond(200, "{}")
        self.connections = 0
        self.received = asyncio.Event()
        self.client_left = asyncio.Event()
        self._connections: dict[asyncio.StreamWriter, asyncio.Task[None] | None] = {}

    @property
    def url(self) -> str:
        """The base URL."""
        host, port = self._server.sockets[0].getsockname()[:2]
        return f"{'https' if self._tls else 'http'}://{host}:{port}"

    @property
    def open_connections(self) -> int:
        """The number of connections that neither side has closed."""
        return len(self._connections)

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port, ssl=self._tls)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._server.close()
        open_connections = list(self._connections.items())
        for writer, task in open_connections:
            writer.transport.abort()
            if task is not None:
                task.cancel()
        await asyncio.gather(*(task for _, task in open_connections if task is not None))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections[writer] = asyncio.current_task()
        self.connections += 1
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                line, *lines = head.rstrip("\r\n").split("\r\n")
                headers = {name.lower(): value for name, _, value in (entry.partition(": ") for entry in lines)}
                body = await reader.readexactly(int(headers.get("content-length", "0")))
                if self._hides_lookups and line.startswith("GET /_sandbox "):
                    self.connections -= 1
                    await respond(404, "{}")(reader, writer)
                    return
                self.requests.append(RawRequest(line, headers, body))
                self.received.set()
                act = self.acts.pop(0) if self.acts else self.otherwise
                await act(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError, ssl.SSLError):
            self.client_left.set()
        except asyncio.CancelledError:
            pass  # the server ends
        finally:
            writer.close()
            del self._connections[writer]


def respond(status: int, body: str | bytes, content_type: str = "application/json", **headers: str) -> Act:
    """Respond with this status and body; header names are written with _ instead of -."""

    async def act(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        del reader
        extra = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        content = body.encode() if isinstance(body, str) else body
        writer.write(
            f"HTTP/1.1 {status} Scripted\r\nContent-Type: {content_type}\r\n{extra}"
            f"Content-Length: {len(content)}\r\n\r\n".encode()
            + content
        )
        await writer.drain()

    return act


def raw(*parts: bytes) -> Act:
    """Send these bytes and nothing more, and leave the connection open."""

    async def act(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for part in parts:
            writer.write(part)
            await writer.drain()
        await hang(reader, writer)

    return act


def raw_and_close(content: bytes) -> Act:
    """Send these bytes and close the connection."""

    async def act(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(content)
        await close(reader, writer)

    return act


class Flood:
    """An act that sends `start`, and then `block` until the client closes the connection, or `limit` is reached.

    Attributes:
        sent: the bytes that were sent, which includes what the buffers of the operating system took.
    """

    def __init__(self, start: bytes, block: bytes, limit: int = 64_000_000) -> None:
        self._start, self._block, self._limit = start, block, limit
        self.sent = 0

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(self._start)
        while self.sent < self._limit and not writer.is_closing():
            writer.write(self._block)
            await writer.drain()
            self.sent += len(self._block)
        await hang(reader, writer)


def respond_when(event: anyio.Event) -> Act:
    """Respond 200 with an empty object once `event` is set."""

    async def act(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await event.wait()
        await respond(200, "{}")(reader, writer)

    return act


async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Do not respond; wait until the client closes the connection."""
    del writer
    await reader.readexactly(1)


async def close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Close the connection without a response."""
    del reader
    writer.close()
    await writer.wait_closed()
    raise ConnectionError


async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Reset the TCP connection without a response."""
    del reader
    raw: socket.socket = writer.get_extra_info("socket")
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
    raise ConnectionError
