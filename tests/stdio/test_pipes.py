"""Lines over real pipes and sockets."""

from __future__ import annotations

import os
import select
import socket
import sys
import threading
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from threading import Thread

import anyio
import anyio.lowlevel
import pytest

from customerio_track_mcp.stdio.pipes import MAX_LINE_BYTES, Line, LineReader, LineWriter, LongLine

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="the tests use select() on pipes")

LINES = [b"short", b"", b"x" * 300_000, "Zoë\r".encode(), b'{"a": 1}']


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """The readable and the writable end; the test closes the writable one."""
    readable, writable = os.pipe()
    yield readable, writable
    os.close(readable)


async def all_lines(reader: LineReader) -> list[Line]:
    lines: list[Line] = []
    try:
        while True:
            lines += await reader.receive()
    except anyio.EndOfStream:
        return lines


@pytest.mark.parametrize("end", [b"", b"\n"])
@pytest.mark.parametrize("chunk_size", [1, 7, 65_536, 10_000_000])
async def test_lines_are_read_whatever_the_chunks(pipe: tuple[int, int], end: bytes, chunk_size: int) -> None:
    lines = LINES if chunk_size > 7 else [line[:100] for line in LINES]
    text = b"\n".join(lines) + end

    def write() -> None:
        for start in range(0, len(text), chunk_size):
            os.write(pipe[1], text[start : start + chunk_size])
        os.close(pipe[1])

    reader = LineReader(pipe[0])
    thread = Thread(target=write)
    thread.start()
    assert await all_lines(reader) == lines
    thread.join()
    reader.close()


@pytest.mark.parametrize("size", [MAX_LINE_BYTES, MAX_LINE_BYTES + 1, 3 * MAX_LINE_BYTES])
@pytest.mark.parametrize("end", [b"", b"\n"])
async def test_of_a_long_line_only_the_start_and_the_end_are_kept(pipe: tuple[int, int], size: int, end: bytes) -> None:
    line = b"start" + b"x" * (size - 8) + b"end"

    def write() -> None:
        for text in (line, b"\nnext\n", line, end):
            for start in range(0, len(text), 100_000):
                os.write(pipe[1], text[start : start + 100_000])
        os.close(pipe[1])

    reader = LineReader(pipe[0])
    thread = Thread(target=write)
    thread.start()
    first, after, last = await all_lines(reader)
    thread.join()
    reader.close()
    assert first == last
    assert after == b"next"
    if size > MAX_LINE_BYTES:
        assert first == LongLine(line[:1024], line[-1024:])
    else:
        assert first == line


@pytest.mark.parametrize("end", [b"", b"\n"])
async def test_lines_of_a_file_are_read(tmp_path: Path, end: bytes) -> None:
    path = tmp_path / "lines"
    path.write_bytes(b"\n".join(LINES) + end)
    with path.open("rb") as file:
        reader = LineReader(file.fileno())
        assert await all_lines(reader) == LINES
        reader.close()


@pytest.mark.parametrize("kind", ["pipe", "socket"])
async def test_non_blocking_end_is_read_to_the_end(kind: str) -> None:
    """Whoever has started this process, or shares the open file, may have made it non-blocking."""
    readable, writable = os.pipe() if kind == "pipe" else (end.detach() for end in socket.socketpair())
    os.set_blocking(readable, False)
    text = b"\n".join(LINES)
    reader = LineReader(readable)

    def write() -> None:
        for start in range(0, len(text), 7_000):
            while select.select([readable], [], [], 0)[0]:
                pass  # so that the reader finds nothing most of the time
            os.write(writable, text[start : start + 7_000])
        os.close(writable)

    thread = Thread(target=write)
    thread.start()
    assert await all_lines(reader) == LINES
    thread.join()
    reader.close()
    os.close(readable)


async def test_read_ahead_is_limited(pipe: tuple[int, int]) -> None:
    lines = [str(number).encode() for number in range(200_000)]

    def write() -> None:
        text = b"\n".join(lines)
        while text:
            text = text[os.write(pipe[1], text[:50_000]) :]
        os.close(pipe[1])

    reader = LineReader(pipe[0])
    thread = Thread(target=write)
    thread.start()
    while thread.is_alive() and not _is_full(pipe[1]):
        await anyio.lowlevel.checkpoint()
    assert thread.is_alive()  # because most lines have not been read
    assert await all_lines(reader) == lines
    reader.close()


async def test_reading_thread_ends_after_the_reader_is_closed(pipe: tuple[int, int]) -> None:
    reader = LineReader(pipe[0])
    os.write(pipe[1], b"one\n")
    assert await reader.receive() == [b"one"]
    reader.close()
    os.write(pipe[1], b"two\n")
    os.close(pipe[1])
    with anyio.fail_after(20):
        while any(thread.name == "stdin" for thread in threading.enumerate()):
            await anyio.lowlevel.checkpoint()


@pytest.mark.parametrize("is_blocking", [True, False], ids=["blocking", "non-blocking"])
@pytest.mark.parametrize("kind", ["pipe", "socket"])
async def test_lines_are_written_in_order(kind: str, is_blocking: bool) -> None:
    """Short lines are written at once if they fit; the thread writes long ones and all that follow them.

    A host's end is a pipe or a socket, which it may have made non-blocking.
    """
    if kind == "pipe":
        readable, writable = os.pipe()
    else:
        readable, writable = (end.detach() for end in socket.socketpair())
    os.set_blocking(writable, is_blocking)
    lines = [b"x" * size for size in (1, 10, 5000, 3, 200_000, 2, 4095, 4096)] * 40
    received = bytearray()

    def read() -> None:
        while chunk := os.read(readable, 10_000):
            received.extend(chunk)

    thread = Thread(target=read)
    writer = LineWriter(writable)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(writer.run)
        await writer.send(b"before anybody reads")
        thread.start()
        for line in lines:
            await writer.send(line)
        writer.close()
    os.close(writable)
    await anyio.to_thread.run_sync(thread.join)
    os.close(readable)
    assert bytes(received).split(b"\n") == [b"before anybody reads", *lines, b""]


async def test_senders_wait_for_a_slow_reader_without_blocking_the_event_loop(pipe: tuple[int, int]) -> None:
    writer, sent = LineWriter(pipe[1]), 0

    async def send() -> None:
        nonlocal sent
        for _ in range(250):
            await writer.send(b"x" * 1000)
            sent += 1

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(writer.run)
        for _ in range(4):
            tasks.start_soon(send)
        while not _is_full(pipe[1]) or sent < 256:
            await anyio.lowlevel.checkpoint()
        await anyio.wait_all_tasks_blocked()
        assert sent < 1000
        thread = Thread(target=_read_lines, args=(pipe[0], 1000))
        thread.start()
        with anyio.fail_after(20):
            while sent < 1000:
                await anyio.lowlevel.checkpoint()
        writer.close()
    os.close(pipe[1])
    thread.join()


async def test_a_line_is_settled_when_it_is_written(pipe: tuple[int, int]) -> None:
    """Short lines are written at once; long ones, and those after them, when the reader makes room."""
    lines = [b"x" * 10, b"x" * 200_000, b"x" * 20]
    settled: list[tuple[int, bool]] = []

    def settle(number: int, is_written: bool) -> None:
        settled.append((number, is_written))

    writer = LineWriter(pipe[1])
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(writer.run)
        for number, line in enumerate(lines):
            await writer.send(line, partial(settle, number))
        while not _is_full(pipe[1]):
            await anyio.lowlevel.checkpoint()
        await anyio.wait_all_tasks_blocked()
        assert settled == [(0, True)]
        await anyio.to_thread.run_sync(_read_lines, pipe[0], 3)
        with anyio.fail_after(20):
            while len(settled) < 3:
                await anyio.lowlevel.checkpoint()
        writer.close()
    os.close(pipe[1])
    assert settled == [(0, True), (1, True), (2, True)]


async def test_a_line_is_settled_before_its_reader_can_respond(pipe: tuple[int, int]) -> None:
    """A host that has received a result and then repeats the call means another event."""
    responses, response = os.pipe()
    order: list[bool | bytes | LongLine] = []
    total = 2000

    def respond() -> None:
        with os.fdopen(os.dup(pipe[0]), "rb") as lines:
            for _ in range(total):
                lines.readline()
                os.write(response, b"next\n")
        os.close(response)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)  # so that the threads interleave in every way
    host = Thread(target=respond)
    host.start()
    reader, writer = LineReader(responses), LineWriter(pipe[1])
    try:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(writer.run)
            for _ in range(total):
                await writer.send(b"x" * 5000, order.append)
                order += await reader.receive()
            writer.close()
    finally:
        sys.setswitchinterval(interval)
        os.close(pipe[1])
        host.join()
        reader.close()
        os.close(responses)
    assert order == [True, b"next"] * total


@pytest.mark.parametrize("end", ["the reader is gone", "the server stops"])
async def test_lines_that_are_not_written_are_settled_as_such(end: str) -> None:
    readable, writable = os.pipe()
    settled: list[bool] = []
    writer = LineWriter(writable)
    with suppress(BaseExceptionGroup):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(writer.run)
            for _ in range(3):
                await writer.send(b"x" * 100_000, settled.append)
            while not _is_full(writable):
                await anyio.lowlevel.checkpoint()
            if end == "the reader is gone":
                os.close(readable)
                await anyio.sleep_forever()
            tasks.cancel_scope.cancel()
    assert settled == [False] * 3
    await writer.send(b"x" * 100_000, settled.append)
    assert settled == [False] * 4
    if end == "the server stops":
        os.close(readable)


@pytest.mark.parametrize("size", [10, 100_000])
async def test_closed_reader_ends_the_writer_with_an_error(size: int) -> None:
    readable, writable = os.pipe()
    os.close(readable)
    settled: list[bool] = []
    writer = LineWriter(writable)
    with pytest.RaisesGroup(BrokenPipeError):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(writer.run)
            for _ in range(3):
                await writer.send(b"x" * size, settled.append)
            await anyio.sleep_forever()
    os.close(writable)
    assert settled == [False] * 3


def _is_full(writable: int) -> bool:
    return not select.select([], [writable], [], 0)[1]


def _read_lines(readable: int, number: int) -> None:
    with os.fdopen(os.dup(readable), "rb") as lines:
        for _ in range(number):
            lines.readline()
