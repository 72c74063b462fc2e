"""What a scripted server does to be an HTTP proxy: it answers CONNECT and relays bytes."""

from __future__ import annotations

import asyncio

import httpx

from tests.support.scripted_server import Act


def tunnel_to(url: str) -> Act:
    """Accept a CONNECT, whatever host it names, and relay bytes to the server at `url` until one side ends."""

    async def act(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        target = httpx.URL(url)
        target_reader, target_writer = await asyncio.open_connection(target.host, target.port)
        writer.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
        relays = [
            asyncio.create_task(_relay(reader, target_writer)),
            asyncio.create_task(_relay(target_reader, writer)),
        ]
        try:
            await asyncio.wait(relays, return_when=asyncio.FIRST_COMPLETED)
        finally:
            target_writer.close()
            for relay in relays:
                relay.cancel()
            await asyncio.gather(*relays, return_exceptions=True)
        raise ConnectionError

    return act


async def _relay(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65_536):
        writer.write(data)
        await writer.drain()
