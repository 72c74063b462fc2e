"""The limits on open connections and on file descriptors."""

from __future__ import annotations

import logging
import os
import socket
from collections.abc import Iterator
from contextlib import AsyncExitStack, contextmanager
from pathlib import Path
from typing import Final

import pytest

from customerio_track_mcp.http.open_files import MAX_OPEN_FILES, RESERVED, connections_within, raise_open_file_limit
from customerio_track_mcp.sandbox import RunningSandbox
from tests.support.http_service import PING, connect, read_until_closed, running_service
from tests.support.waiting import wait_until

resource = pytest.importorskip("resource")

HEALTHZ: Final = b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n"


@contextmanager
def soft_limit(number: int) -> Iterator[None]:
    """Set this process's soft limit on open files."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (number, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@contextmanager
def no_more_open_files() -> Iterator[None]:
    """Let nothing in this process open a file."""
    highest = os.dup(0)
    opened = [highest]
    with soft_limit(max(int(entry.name) for entry in Path("/dev/fd").iterdir()) + 1):
        try:
            while True:
                opened.append(os.dup(0))
        except OSError:
            yield
        finally:
            for number in opened:
                os.close(number)


async def test_connections_beyond_the_maximum_are_closed_and_counted(
    sandbox: RunningSandbox, caplog: pytest.LogCaptureFixture
) -> None:
    async with running_service(sandbox.url, max_connections=5, body_timeout=60) as http:
        async with AsyncExitStack() as stack:
            assert (await http.post("/mcp", json=PING)).status_code == 200
            for _ in range(4):
                client = await stack.enter_async_context(await connect(http))
                await client.send(HEALTHZ)
                await client.receive()  # so that it is counted before the next one is accepted
            for _ in range(20):
                async with await connect(http) as refused:
                    assert await read_until_closed(refused) == b""
            # On the connection of the first request.
            metrics = (await http.get("/metrics")).text
            assert "http_refused_connections_total 20.0" in metrics
        assert (await http.get("/healthz")).status_code == 200
    first, *rest = [vars(record) for record in caplog.records if record.message == "connections refused"]
    assert (first["refused"], first["max_connections"]) == (1, 5)
    assert len(rest) < 3  # one per ten seconds


async def test_accept_failures_are_logged_in_one_line(
    sandbox: RunningSandbox, caplog: pytest.LogCaptureFixture
) -> None:
    async with running_service(sandbox.url) as http:
        clients = [socket.socket() for _ in range(20)]
        with no_more_open_files():
            for client in clients:
                client.setblocking(False)
                client.connect_ex(("127.0.0.1", http.base_url.port))
            await wait_until(lambda: "connections can't be accepted" in caplog.text)
        for client in clients:
            client.setblocking(True)
            client.sendall(HEALTHZ)
        await wait_until(lambda: responded(clients[-1]))
        for client in clients:
            client.close()
    lines = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert {(line.message, line.name) for line in lines} == {
        ("connections can't be accepted", "customerio_track_mcp.http")
    }
    assert len(lines) < 3  # one per ten seconds


def responded(client: socket.socket) -> bool:
    try:
        return client.recv(1, socket.MSG_DONTWAIT | socket.MSG_PEEK) != b""
    except BlockingIOError:
        return False


def test_soft_limit_is_raised_to_the_hard_limit() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    expected = MAX_OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, MAX_OPEN_FILES)
    with soft_limit(256):
        assert raise_open_file_limit() == expected
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (expected, hard)


@pytest.mark.parametrize(
    ("open_files", "wanted", "allowed"),
    [(65_536, 1024, 1024), (1024, 1024, 1024 - RESERVED), (256, 1024, 128), (65_536, 100_000, 65_536 - RESERVED)],
)
def test_connections_leave_descriptors_for_everything_else(open_files: int, wanted: int, allowed: int) -> None:
    assert connections_within(open_files, wanted) == allowed
