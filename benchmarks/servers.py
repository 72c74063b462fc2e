"""MCP servers under load, spoken to by as little as there can be: messages that were put together beforehand."""

from __future__ import annotations

import asyncio
import json
import re
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from itertools import count
from typing import Any, Final

import aiohttp

from benchmarks.processes import Meter, free_port

_MODERN: Final = "2026-07-28"
_LEGACY: Final = "2025-11-25"
_LONGEST_LINE: Final = 16 * 2**20
_SUCCESS: Final = b'"success":true'
_ID: Final = re.compile(rb'"id":(\d+)')
_INITIALIZE: Final = {
    "jsonrpc": "2.0",
    "id": 0,
    "method": "initialize",
    "params": {"protocolVersion": _LEGACY, "capabilities": {}, "clientInfo": {"name": "bench", "version": "1"}},
}
_INITIALIZED: Final = {"jsonrpc": "2.0", "method": "notifications/initialized"}
_META: Final = {
    "io.modelcontextprotocol/protocolVersion": _MODERN,
    "io.modelcontextprotocol/clientInfo": {"name": "bench", "version": "1"},
    "io.modelcontextprotocol/clientCapabilities": {},
}
_PAUSE: Final = 0.02

EVENT: Final = {"customer_id": "1042", "event_name": "purchase", "data": {"order": "A-17", "total": 49.9}}
"""The arguments of an ordinary call."""

Arguments = Mapping[str, Any]


class FailedCallError(Exception):
    """An answer was no success: what it took to get it is no measure of anything."""


class Server(ABC):
    """An MCP server in a process of its own."""

    meter: Meter

    @abstractmethod
    async def call(self, request: bytes) -> None:
        """Make one call, of which `request` is what follows the id in its JSON.

        Raises:
            FailedCallError: the answer is not a success.
        """


def call_of(tool: str, arguments: Arguments, *, modern: bool = False) -> bytes:
    """A tool call as JSON without its beginning, which holds the id."""
    params: dict[str, Any] = {"name": tool, "arguments": arguments} | ({"_meta": _META} if modern else {})
    message = json.dumps({"method": "tools/call", "params": params}, separators=(",", ":"))
    return message[1:].encode()


class StdioServer(Server):
    """A server on standard input and output."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._stdin, self._stdout = process.stdin, process.stdout
        self.meter = Meter(process.pid)
        self._ids = count(1)
        self._answers: dict[int, asyncio.Future[bytes]] = {}
        self._reading = asyncio.create_task(self._read())

    async def call(self, request: bytes) -> None:
        """Make one call; see `Server.call`."""
        answer = await self.ask(request)
        if _SUCCESS not in answer:
            raise FailedCallError(answer[:500].decode())

    async def ask(self, request: bytes) -> bytes:
        """The answer to a request of any kind."""
        request_id = next(self._ids)
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._answers[request_id] = answer
        self._stdin.write(b'{"jsonrpc":"2.0","id":%d,%b\n' % (request_id, request))
        await self._stdin.drain()
        return await answer

    async def initialize(self) -> None:
        """Shake hands as protocol 2025-11-25 has it."""
        answered = self._answers[0] = asyncio.get_running_loop().create_future()
        self._stdin.write(f"{json.dumps(_INITIALIZE)}\n".encode())
        await answered
        self._stdin.write(f"{json.dumps(_INITIALIZED)}\n".encode())

    async def close(self) -> None:
        """Close the server's input."""
        self._stdin.close()
        await self._reading

    async def _read(self) -> None:
        while line := await self._stdout.readline():
            if found := _ID.search(line):
                self._answers.pop(int(found[1])).set_result(line)
        for unanswered in self._answers.values():
            unanswered.set_exception(FailedCallError("the server ended"))


class HttpServer(Server):
    """A server on streamable HTTP, without sessions."""

    def __init__(self, url: str, process_id: int, client: aiohttp.ClientSession) -> None:
        self._url = url
        self._client = client
        self.meter = Meter(process_id)
        self._ids = count(1)

    async def call(self, request: bytes) -> None:
        """Make one call; see `Server.call`."""
        body = b'{"jsonrpc":"2.0","id":%d,%b' % (next(self._ids), request)
        async with self._client.post(self._url, data=body) as reply:
            answer = await reply.read()
        if _SUCCESS not in answer:
            raise FailedCallError(f"{reply.status} {answer[:500].decode()}")

    async def wait_until_ready(self) -> None:
        """Return once it answers."""
        ping = b'"method":"ping"}'
        for _ in range(500):
            try:
                async with self._client.post(self._url, data=b'{"jsonrpc":"2.0","id":0,' + ping) as reply:
                    await reply.read()
                    return
            except aiohttp.ClientConnectorError:
                await asyncio.sleep(_PAUSE)
        raise TimeoutError(f"nothing listens at {self._url}")


@asynccontextmanager
async def stdio_server(command: Sequence[str], environment: Mapping[str, str]) -> AsyncIterator[StdioServer]:
    """A server on standard input and output that has shaken hands."""
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env=environment,
        limit=_LONGEST_LINE,
    )
    try:
        server = StdioServer(process)
        await server.initialize()
        yield server
        await server.close()
    finally:
        await _end(process)


@asynccontextmanager
async def http_server(
    command: Sequence[str], environment: Mapping[str, str], *, modern: bool
) -> AsyncIterator[HttpServer]:
    """A server on streamable HTTP that answers. `PORT` in the command is the port to listen on.

    Args:
        command: what starts it.
        environment: its environment; `PORT` is set in it.
        modern: whether to speak protocol 2026-07-28 to it, or else 2025-11-25.
    """
    port = str(free_port())
    process = await asyncio.create_subprocess_exec(
        *[port if word == "PORT" else word for word in command],
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        env={**environment, "PORT": port},
    )
    headers = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
    headers |= {"MCP-Protocol-Version": _MODERN if modern else _LEGACY}
    headers |= {"Mcp-Method": "tools/call", "Mcp-Name": "send_event"} if modern else {}
    try:
        async with aiohttp.ClientSession(
            headers=headers, connector=aiohttp.TCPConnector(limit=0), cookie_jar=aiohttp.DummyCookieJar()
        ) as client:
            server = HttpServer(f"http://127.0.0.1:{port}/mcp", process.pid, client)
            await server.wait_until_ready()
            yield server
    finally:
        await _end(process)


async def seconds_to_list_tools(command: Sequence[str], environment: Mapping[str, str]) -> float:
    """How long a server on standard input and output takes from its start to its answer to `tools/list`."""
    began = time.perf_counter()
    async with stdio_server(command, environment) as server:
        await server.ask(b'"method":"tools/list"}')
        return time.perf_counter() - began


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
    await process.wait()
