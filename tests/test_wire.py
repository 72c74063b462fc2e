"""Lines over real pipes."""

from __future__ import annotations

import os
import select
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from threading import Thread

import anyio
import anyio.lowlevel
import pytest

from customerio_track_mcp.stdio.pipes import LineReader, LineWriter

LINES = [b"short", b"", b"x" * 300_000, "Zoë\r".encode(), b'{"a": 1}']


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    """What is read and what is written; the test closes what is written."""
    readable, writable = os.pipe()
    yield readable, writable
    os.close(readable)


async def all_lines(reader: LineReader) -> list[bytes]:
    lines: list[bytes] = []
    try:
        while True:
            lines += await reader.receive()
    except anyio.EndOfStream:
        return lines


@pytest.mark.parametrize("end", [b"", b"\n"])
@pytest.mark.parametrize("at_a_time", [1, 7, 65_536, 10_000_000])
async def test_lines_come_as_they_were_written_however_they_are_cut(
    pipe: tuple[int, int], end: bytes, at_a_time: int
) -> None:
    lines = LINES if at_a_time > 7 else [line[:100] for line in LINES]
    text = b"\n".join(lines) + end

    def write() -> None:
        for start in range(0, len(text), at_a_time):
            os.write(pipe[1], text[start : start + at_a_time])
        os.close(pipe[1])

    reader = LineReader(pipe[0])
    writing = Thread(target=write)
    writing.start()
    assert await all_lines(reader) == lines
    writing.join()
    reader.close()


async def test_more_lines_than_are_read_ahead_wait_for_who_reads_them(pipe: tuple[int, int]) -> None:
    lines = [str(number).encode() for number in range(200_000)]

    def write() -> None:
        text = b"\n".join(lines)
        while text:
            text = text[os.write(pipe[1], text[:50_000]) :]
        os.close(pipe[1])

    reader = LineReader(pipe[0])
    writing = Thread(target=write)
    writing.start()
    while writing.is_alive() and not _full(pipe[1]):
        await anyio.lowlevel.checkpoint()
    assert writing.is_alive()  # far from all has been taken
    assert await all_lines(reader) == lines
    reader.close()


async def test_nothing_is_left_hanging_when_reading_is_given_up(pipe: tuple[int, int]) -> None:
    reader = LineReader(pipe[0])
    os.write(pipe[1], b"one\n")
    assert await reader.receive() == [b"one"]
    reader.close()
    os.write(pipe[1], b"two\n")
    os.close(pipe[1])
    with anyio.fail_after(20):
        while any(thread.name == "stdin" for thread in threading.enumerate()):
            await anyio.lowlevel.checkpoint()


@pytest.mark.parametrize("kind", ["pipe", "socket"])
async def test_lines_are_written_in_order_whether_at_once_or_later(kind: str) -> None:
    """Short ones while there is room, long ones and all behind them by the thread; a host has a pipe or a socket."""
    if kind == "pipe":
        readable, writable = os.pipe()
    else:
        readable, writable = (end.detach() for end in socket.socketpair())
    lines = [b"x" * size for size in (1, 10, 5000, 3, 200_000, 2, 4095, 4096)] * 40
    received = bytearray()

    def read() -> None:
        while chunk := os.read(readable, 10_000):
            received.extend(chunk)

    reading = Thread(target=read)
    writer = LineWriter(writable)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(writer.run)
        await writer.send(b"before anybody reads")
        reading.start()
        for line in lines:
            await writer.send(line)
        writer.close()
    os.close(writable)
    await anyio.to_thread.run_sync(reading.join)
    os.close(readable)
    assert bytes(received).split(b"\n") == [b"before anybody reads", *lines, b""]


async def test_who_does_not_read_holds_up_who_writes_and_not_the_others(pipe: tuple[int, int]) -> None:
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
        while not _full(pipe[1]) or sent < 256:
            await anyio.lowlevel.checkpoint()
        await anyio.wait_all_tasks_blocked()
        assert sent < 1000
        reading = Thread(target=_read_lines, args=(pipe[0], 1000))
        reading.start()
        with anyio.fail_after(20):
            while sent < 1000:
                await anyio.lowlevel.checkpoint()
        writer.close()
    os.close(pipe[1])
    reading.join()


@pytest.mark.parametrize("size", [10, 100_000])
async def test_a_reader_who_is_gone_ends_it(size: int) -> None:
    readable, writable = os.pipe()
    os.close(readable)
    writer = LineWriter(writable)
    with pytest.RaisesGroup(BrokenPipeError):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(writer.run)
            for _ in range(3):
                await writer.send(b"x" * size)
            await anyio.sleep_forever()
    os.close(writable)


def test_what_else_is_written_to_standard_output_goes_to_standard_error() -> None:
    code = """
import os, anyio
from customerio_track_mcp.stdio.pipes import lines_to_stdout

async def main():
    async with lines_to_stdout() as output:
        print("stray", flush=True)
        os.system("echo stray child")
        await output.send(b"wire")
        print("stray and kept back")
    print("afterwards")

anyio.run(main)
"""
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert ended.stdout == "wire\nafterwards\n"
    assert ended.stderr == "stray\nstray child\nstray and kept back\n"


def _full(writable: int) -> bool:
    return not select.select([], [writable], [], 0)[1]


def _read_lines(readable: int, number: int) -> None:
    with os.fdopen(os.dup(readable), "rb") as lines:
        for _ in range(number):
            lines.readline()
