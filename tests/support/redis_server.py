"""A real redis-server on a port of its own, which can be killed, paused and started again."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager

import redis

from tests.support.waiting import wait_until

REDIS_SERVER = shutil.which("redis-server")


class RedisServer:
    """One redis-server, on the same port each time it is started."""

    def __init__(self, port: int) -> None:
        self.port = port
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        """The URL for CUSTOMERIO_RATE_LIMIT_STORAGE."""
        return f"redis://127.0.0.1:{self.port}/0"

    async def start(self) -> None:
        """Start the server, with an empty database, and wait until it responds."""
        assert REDIS_SERVER is not None
        self._process = subprocess.Popen(  # noqa: ASYNC220 - returns at once
            [REDIS_SERVER, "--port", str(self.port), "--save", "", "--appendonly", "no", "--bind", "127.0.0.1"],
            stdout=subprocess.DEVNULL,
        )
        await wait_until(self._responds)

    def kill(self) -> None:
        """Kill the server if it was started."""
        if self._process is not None:
            self._process.kill()
            self._process.wait()

    def freeze(self) -> None:
        """Pause the process: connections are accepted, but commands get no response."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Resume the process after `freeze`."""
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def _responds(self) -> bool:
        try:
            with redis.Redis(port=self.port, socket_timeout=1) as client:
                return bool(client.ping())
        except redis.RedisError:
            return False


@contextmanager
def redis_client(server: RedisServer) -> Iterator[redis.Redis]:
    """Open a client, to inspect or change the server's database."""
    with redis.Redis(port=server.port, socket_timeout=5) as client:
        yield client


@asynccontextmanager
async def redis_server() -> AsyncIterator[RedisServer]:
    """Run a redis-server on a free port until the block ends."""
    with socket.create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    server = RedisServer(port)
    await server.start()
    try:
        yield server
    finally:
        server.kill()
