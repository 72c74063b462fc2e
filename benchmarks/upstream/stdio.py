"""The SDK's stdio transport, and one that uses a thread for each direction: the cost of an echo of each message."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from queue import SimpleQueue
from threading import Thread

import anyio
import mcp_types as types
from mcp.server.stdio import stdio_server
from mcp.shared.message import SessionMessage

from benchmarks.upstream.interleaved import Run, compare

_LINE = b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"tool","arguments":{"text":"%b"}}}\n' % (
    b"x" * 200
)
_IN_FLIGHT = 32


def _calls_to(stdin: int, stdout: int) -> Run:
    """Return what writes lines to one pipe and reads those of the other, both in this process."""

    def exchange(calls: int) -> None:
        for first in range(0, calls, _IN_FLIGHT):
            lines = min(_IN_FLIGHT, calls - first)
            os.write(stdin, _LINE * lines)
            received = b""
            while received.count(b"\n") < lines:
                received += os.read(stdout, 65_536)

    return lambda calls: anyio.to_thread.run_sync(exchange, calls)


@asynccontextmanager
async def _sdk() -> AsyncIterator[Run]:
    (stdin, to_stdin), (from_stdout, stdout) = os.pipe(), os.pipe()
    reader = anyio.wrap_file(os.fdopen(stdin, encoding="utf-8"))
    writer = anyio.wrap_file(os.fdopen(stdout, "w", encoding="utf-8"))
    async with stdio_server(reader, writer) as (requests, responses):

        async def echo() -> None:
            async for received in requests:
                assert isinstance(received, SessionMessage)
                await responses.send(received)

        echoing = asyncio.create_task(echo())
        yield _calls_to(to_stdin, from_stdout)
        os.close(to_stdin)
        await echoing
        await responses.aclose()


@asynccontextmanager
async def _threads() -> AsyncIterator[Run]:
    (stdin, to_stdin), (from_stdout, stdout) = os.pipe(), os.pipe()
    loop, requests = asyncio.get_running_loop(), asyncio.Queue[bytes]()
    responses = SimpleQueue[bytes]()

    def read() -> None:
        with os.fdopen(stdin, "rb") as lines:
            for line in lines:
                loop.call_soon_threadsafe(requests.put_nowait, line)
        loop.call_soon_threadsafe(requests.put_nowait, b"")

    def write() -> None:
        while line := responses.get():
            os.write(stdout, line)

    async def echo() -> None:
        while line := await requests.get():
            message = SessionMessage(types.jsonrpc_message_adapter.validate_json(line, by_name=False))
            responses.put(message.message.model_dump_json(by_alias=True, exclude_unset=True).encode() + b"\n")
        responses.put(b"")

    threads = [Thread(target=target) for target in (read, write)]
    for thread in threads:
        thread.start()
    echoing = asyncio.create_task(echo())
    yield _calls_to(to_stdin, from_stdout)
    os.close(to_stdin)
    await echoing
    for thread in threads:
        await asyncio.to_thread(thread.join)


async def _main() -> None:
    async with AsyncExitStack() as stack:
        variants = {
            "stdio_server": await stack.enter_async_context(_sdk()),
            "two threads": await stack.enter_async_context(_threads()),
        }
        await compare("an echo of a message over stdio", variants)


asyncio.run(_main())
