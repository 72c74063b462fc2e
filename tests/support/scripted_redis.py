"""A server that speaks as much of Redis' protocol as a test wants."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import anyio
from anyio.abc import SocketAttribute, SocketStream
from anyio.streams.buffered import BufferedByteReceiveStream


class ScriptedRedis:
    """Responds to each command with bytes of the test's choice.

    Attributes:
        respond: returns the response to the command of this name; None closes the connection.
        endless: sent after each response again and again, until the other side closes the connection.
        commands: the names of the commands received.
        bytes_sent: the number of bytes that were sent because of `endless`.
    """

    def __init__(self, respond: Callable[[str], bytes | None]) -> None:
        self.respond = respond
        self.endless = b""
        self.commands: list[str] = []
        self.bytes_sent = 0
        self.port = 0

    @property
    def url(self) -> str:
        """The URL for CUSTOMERIO_RATE_LIMIT_STORAGE."""
        return f"redis://127.0.0.1:{self.port}/0"

    async def handle(self, stream: SocketStream) -> None:
        """Serve one connection."""
        received = BufferedByteReceiveStream(stream)
        try:
            while True:
                name = await _next_command(received)
                self.commands.append(name)
                response = self.respond(name)
                if response is None:
                    await stream.aclose()
                    return
                await stream.send(response)
                while self.endless and name == "EVALSHA":
                    await stream.send(self.endless)
                    self.bytes_sent += len(self.endless)
        except (anyio.EndOfStream, anyio.IncompleteRead, anyio.BrokenResourceError):
            await stream.aclose()


async def _next_command(received: BufferedByteReceiveStream) -> str:
    number = int((await received.receive_until(b"\r\n", 100))[1:])
    words = []
    for _ in range(number):
        length = int((await received.receive_until(b"\r\n", 100))[1:])
        words.append((await received.receive_exactly(length + 2))[:-2])
    return words[0].decode()


@asynccontextmanager
async def scripted_redis(respond: Callable[[str], bytes | None]) -> AsyncIterator[ScriptedRedis]:
    """Run the server until the block ends."""
    server = ScriptedRedis(respond)
    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener, anyio.create_task_group() as tasks:
        server.port = listener.extra(SocketAttribute.local_port)  # noqa: S610 - not Django's `extra`
        tasks.start_soon(listener.serve, server.handle)
        yield server
        tasks.cancel_scope.cancel()
