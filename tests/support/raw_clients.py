"""Clients that do not behave as an HTTP library does."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final
from urllib.parse import urlsplit

AUTHORIZATION: Final = b"Authorization: Basic c2FuZGJveDpzYW5kYm94\r\n"


async def send(url: str, content: bytes) -> bytes:
    """Send bytes, and return everything that is received until the connection is closed."""
    reader, writer = await asyncio.open_connection(urlsplit(url).hostname, urlsplit(url).port)
    try:
        writer.write(content)
        return await reader.read()
    except ConnectionResetError:
        return b""
    finally:
        writer.transport.abort()


async def received(client: socket.socket, number: int) -> bytes:
    """Return up to `number` bytes that a client received; none if the connection is closed."""
    return await asyncio.get_running_loop().sock_recv(client, number)


@asynccontextmanager
async def silent_clients(url: str, number: int, content: bytes = b"") -> AsyncIterator[list[socket.socket]]:
    """Connect clients that send the same bytes, have a small buffer, and receive only what `received` takes."""
    loop = asyncio.get_running_loop()
    clients = []
    try:
        for _ in range(number):
            client = socket.socket()
            clients.append(client)
            client.setblocking(False)
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            await loop.sock_connect(client, (urlsplit(url).hostname, urlsplit(url).port))
            await loop.sock_sendall(client, content)
        yield clients
    finally:
        for client in clients:
            client.close()
