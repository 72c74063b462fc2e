"""MCP servers under load. The client side is minimal: prepared JSON-RPC messages, without an MCP client."""

from __future__ import annotations

import asyncio
import json
import re
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any, Final

import aiohttp

from benchmarks.processes import Meter, ended_children_cpu_seconds, free_port

_MODERN: Final = "2026-07-28"
_LEGACY: Final = "2025-11-25"
_MAX_LINE_BYTES: Final = 16 * 2**20
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
_MAX_IDLE_SECONDS: Final = 2
"""How long the load keeps an idle connection. uvicorn closes one after five seconds, which could be while a call is
sent on it: servers are measured in turns, so their connections are idle for seconds."""
_POLL_INTERVAL: Final = 0.02
_MAX_POLLS: Final = 1500

ORDER: Final = "ORDER"
"""A text that is replaced by another number in each call."""
EVENT: Final[Mapping[str, Any]] = {
    "customer_id": "1042",
    "event_name": "purchase",
    "data": {"order": f"A-{ORDER}", "total": 49.9},
}
"""The arguments of a typical call. Each call has another order, since identical events in flight are sent once."""

Arguments = Mapping[str, Any]


class FailedCallError(Exception):
    """A call failed, so the measurement is not valid."""


class Server(ABC):
    """An MCP server in its own process.

    Attributes:
        meter: measures that process.
    """

    meter: Meter

    @abstractmethod
    async def call(self, request: bytes) -> None:
        """Make one call.

        Args:
            request: the JSON of the call after its id, as returned by `tool_call`.

        Raises:
            FailedCallError: the result is not a success.
        """


def tool_call(tool: str, arguments: Arguments, *, modern: bool = False, meta: Mapping[str, Any] | None = None) -> bytes:
    """Return the JSON of a tool call without its first part, which contains the id.

    Args:
        tool: the tool's name.
        arguments: the tool's arguments.
        modern: whether to use protocol 2026-07-28 instead of 2025-11-25.
        meta: more members of the call's `_meta`.
    """
    all_meta = {**(_META if modern else {}), **(meta or {})}
    params: dict[str, Any] = {"name": tool, "arguments": arguments} | ({"_meta": all_meta} if all_meta else {})
    message = json.dumps({"method": "tools/call", "params": params}, separators=(",", ":"))
    return message[1:].encode()


def _message(request_id: int, request: bytes) -> bytes:
    return b'{"jsonrpc":"2.0","id":%d,%b' % (request_id, request.replace(ORDER.encode(), b"%d" % request_id))


class StdioServer(Server):
    """A server over stdio."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._stdin, self._stdout = process.stdin, process.stdout
        self.meter = Meter(process.pid)
        self._ids = count(1)
        self._pending: dict[int, asyncio.Future[bytes]] = {}
        self._reading = asyncio.create_task(self._read())

    async def call(self, request: bytes) -> None:
        """Make one call; see `Server.call`."""
        response = await self.send(request)
        if _SUCCESS not in response:
            raise FailedCallError(response[:500].decode())

    async def send(self, request: bytes) -> bytes:
        """Send a request of any kind, and return the line of its response.

        Args:
            request: the JSON of the request after its id.
        """
        request_id = next(self._ids)
        response: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self._pending[request_id] = response
        self._stdin.write(_message(request_id, request) + b"\n")
        await self._stdin.drain()
        return await response

    async def initialize(self) -> None:
        """Perform the handshake of protocol 2025-11-25."""
        response = self._pending[0] = asyncio.get_running_loop().create_future()
        self._stdin.write(f"{json.dumps(_INITIALIZE)}\n".encode())
        await response
        self._stdin.write(f"{json.dumps(_INITIALIZED)}\n".encode())

    async def close(self) -> None:
        """Close the server's stdin, and wait until it closes its stdout."""
        self._stdin.close()
        await self._reading

    async def _read(self) -> None:
        while line := await self._stdout.readline():
            if match := _ID.search(line):
                self._pending.pop(int(match[1])).set_result(line)
        for response in self._pending.values():
            response.set_exception(FailedCallError("the server ended"))


class HttpServer(Server):
    """A server over streamable HTTP, without sessions."""

    def __init__(self, url: str, process_id: int, client: aiohttp.ClientSession) -> None:
        self._url = url
        self._client = client
        self.meter = Meter(process_id)
        self._ids = count(1)

    async def call(self, request: bytes) -> None:
        """Make one call; see `Server.call`."""
        body = _message(next(self._ids), request)
        async with self._client.post(self._url, data=body) as response:
            content = await response.read()
        if _SUCCESS not in content:
            raise FailedCallError(f"{response.status} {content[:500].decode()}")

    async def wait_until_ready(self) -> None:
        """Wait until the server accepts connections.

        Raises:
            TimeoutError: it did not within thirty seconds.
        """
        ping = b'{"jsonrpc":"2.0","id":0,"method":"ping"}'
        for _ in range(_MAX_POLLS):
            try:
                async with self._client.post(self._url, data=ping) as response:
                    await response.read()
                    return
            except aiohttp.ClientConnectorError:
                await asyncio.sleep(_POLL_INTERVAL)
        raise TimeoutError(f"no server listens at {self._url}")


@asynccontextmanager
async def stdio_server(command: Sequence[str], environment: Mapping[str, str]) -> AsyncIterator[StdioServer]:
    """Run a server over stdio, and yield it after the handshake.

    Args:
        command: starts the server.
        environment: the environment of its process.
    """
    process = await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
        env=environment,
        limit=_MAX_LINE_BYTES,
    )
    try:
        server = StdioServer(process)
        await server.initialize()
        yield server
        await server.close()
    except BaseException:
        _terminate(process)
        raise
    finally:
        # Not terminated: `terminate` may collect the status of a process that has just ended, and asyncio then warns of
        # an unknown child process. Fixed in Python 3.13 (https://github.com/python/cpython/issues/87744).
        await process.wait()


@asynccontextmanager
async def http_server(
    command: Sequence[str],
    environment: Mapping[str, str],
    *,
    modern: bool,
    more_headers: Mapping[str, str] | None = None,
) -> AsyncIterator[HttpServer]:
    """Run a server over streamable HTTP, and yield it once it accepts connections.

    Args:
        command: starts the server; the argument `PORT` is replaced by the port to listen on.
        environment: the environment of its process; `PORT` is added.
        modern: whether to use protocol 2026-07-28 instead of 2025-11-25.
        more_headers: headers of every call besides those of the protocol.
    """
    port = str(free_port())
    process = await asyncio.create_subprocess_exec(
        *[port if argument == "PORT" else argument for argument in command],
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        env={**environment, "PORT": port},
    )
    headers = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
    headers |= {"MCP-Protocol-Version": _MODERN if modern else _LEGACY}
    headers |= {"Mcp-Method": "tools/call", "Mcp-Name": "send_event"} if modern else {}
    headers |= more_headers or {}
    try:
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=_MAX_IDLE_SECONDS)
        async with aiohttp.ClientSession(
            headers=headers, connector=connector, cookie_jar=aiohttp.DummyCookieJar()
        ) as client:
            server = HttpServer(f"http://127.0.0.1:{port}/mcp", process.pid, client)
            await server.wait_until_ready()
            yield server
    finally:
        _terminate(process)
        await process.wait()


@dataclass(frozen=True, slots=True)
class Start:
    """One start of a process. Times are in seconds.

    Attributes:
        elapsed: from the start of the process to what it was started for.
        cpu: CPU time of the process from its start to its end.
    """

    elapsed: float
    cpu: float


async def start_and_list_tools(command: Sequence[str], environment: Mapping[str, str]) -> Start:
    """Start a server over stdio, wait for its response to `tools/list`, and end it."""
    cpu_before, started = ended_children_cpu_seconds(), time.perf_counter()
    async with stdio_server(command, environment) as server:
        await server.send(b'"method":"tools/list"}')
        elapsed = time.perf_counter() - started
    return Start(elapsed, ended_children_cpu_seconds() - cpu_before)


async def start_and_end(command: Sequence[str], environment: Mapping[str, str]) -> Start:
    """Start a process that ends by itself, and wait for its end.

    Raises:
        FailedCallError: its exit status is not 0.
    """
    cpu_before, started = ended_children_cpu_seconds(), time.perf_counter()
    process = await asyncio.create_subprocess_exec(
        *command, stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, env=environment
    )
    if status := await process.wait():
        raise FailedCallError(f"{' '.join(command)} ended with status {status}")
    return Start(time.perf_counter() - started, ended_children_cpu_seconds() - cpu_before)


def _terminate(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
