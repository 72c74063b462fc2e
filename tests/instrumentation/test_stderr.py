"""Writes to a stderr that nobody reads, over real pipes, sockets, terminals and files."""

from __future__ import annotations

import io
import os
import pty
import socket
import tty
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import anyio
import pytest
from anyio import to_thread

from customerio_track_mcp.instrumentation.stderr import NonBlockingWriter
from tests.support.waiting import wait_until

LINES: Final = 20_000
EVENT: Final = "lines dropped: stderr was not read"


def pipe() -> tuple[int, int]:
    return os.pipe()


def pipe_that_cannot_be_opened_again() -> tuple[int, int]:
    """As on macOS. Linux opens a pipe for non-blocking writes only while there is a reader."""
    readable, writable = os.pipe()
    os.close(readable)
    return -1, writable


def socket_pair() -> tuple[int, int]:
    readable, writable = socket.socketpair()
    return readable.detach(), writable.detach()


def nonblocking_socket() -> tuple[int, int]:
    readable, writable = socket_pair()
    os.set_blocking(writable, False)
    return readable, writable


def terminal() -> tuple[int, int]:
    readable, writable = pty.openpty()
    tty.setraw(writable)
    return readable, writable


KINDS: Final = [pipe, pipe_that_cannot_be_opened_again, socket_pair, nonblocking_socket, terminal]


@contextmanager
def writer_and_reader(kind: Callable[[], tuple[int, int]]) -> Iterator[tuple[NonBlockingWriter, int]]:
    """Yield a writer, and the descriptor from which what it writes can be read."""
    readable, writable = kind()
    writer = NonBlockingWriter(writable)
    if readable < 0:
        readable = os.open(f"/proc/self/fd/{writable}", os.O_RDONLY | os.O_NONBLOCK)
        os.set_blocking(readable, True)
    try:
        yield writer, readable
    finally:
        os.close(readable)
        writer.finish(30)  # its thread must not write to another file that gets the same number
        os.close(writable)


def read_lines(readable: int, number: int) -> list[bytes]:
    """Read at least this number of lines."""
    received = b""
    while received.count(b"\n") < number:
        received += os.read(readable, 65_536)
    return received.splitlines()


def write_numbers(writer: NonBlockingWriter, numbers: range) -> None:
    for number in numbers:
        writer.write(b"line %d\n" % number)


@pytest.mark.parametrize("kind", KINDS)
async def test_unread_lines_are_dropped_and_their_number_is_logged_once_there_is_a_reader(
    kind: Callable[[], tuple[int, int]], caplog: pytest.LogCaptureFixture
) -> None:
    received = b""

    def is_everything_received_or_counted() -> bool:
        nonlocal received
        with suppress(BlockingIOError):
            received += os.read(readable, 65_536)
        dropped: int = sum(vars(record)["lines"] for record in caplog.records)
        return dropped > 0 and received.count(b"\n") + dropped == LINES

    with writer_and_reader(kind) as (writer, readable), anyio.fail_after(60):
        await to_thread.run_sync(write_numbers, writer, range(LINES), abandon_on_cancel=True)
        assert caplog.records == []
        os.set_blocking(readable, False)
        await wait_until(is_everything_received_or_counted)
        assert {record.message for record in caplog.records} == {EVENT}
        numbers = [int(line.removeprefix(b"line ")) for line in received.splitlines()]
        assert numbers == sorted(set(numbers))
        os.set_blocking(readable, True)
        write_numbers(writer, range(LINES, LINES + 3))
        assert read_lines(readable, 3) == [b"line %d" % number for number in range(LINES, LINES + 3)]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("size", [1, 1000, 300_000])
async def test_lines_arrive_in_order_if_they_are_read(kind: Callable[[], tuple[int, int]], size: int) -> None:
    texts = [b"%d %s\n" % (number, b"x" * size) for number in range(3)]
    with writer_and_reader(kind) as (writer, readable), anyio.fail_after(60):
        for text in texts:
            writer.write(text)
            assert await to_thread.run_sync(read_lines, readable, 1, abandon_on_cancel=True) == [text.rstrip(b"\n")]
            # A long line needs an empty queue, and the writer knows only now that the last one was written.
            assert await to_thread.run_sync(writer.wait_until_written, 30)


@pytest.mark.parametrize("kind", KINDS)
async def test_what_is_queued_is_written_before_the_process_ends(kind: Callable[[], tuple[int, int]]) -> None:
    texts = [b"%d %s\n" % (number, b"x" * 100) for number in range(1000)]
    with writer_and_reader(kind) as (writer, readable), anyio.fail_after(60):
        for text in texts:
            writer.write(text)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(to_thread.run_sync, writer.finish, 30)
            received = await to_thread.run_sync(read_lines, readable, 1000, abandon_on_cancel=True)
            assert received == [text.rstrip(b"\n") for text in texts]


@pytest.mark.parametrize("kind", KINDS)
def test_end_of_the_process_does_not_wait_for_a_reader(kind: Callable[[], tuple[int, int]]) -> None:
    with writer_and_reader(kind) as (writer, _):
        write_numbers(writer, range(LINES))
        writer.finish(0.01)
        write_numbers(writer, range(LINES))


@pytest.mark.parametrize("kind", [pipe, socket_pair, terminal])
def test_other_holders_of_the_open_file_do_not_become_nonblocking(kind: Callable[[], tuple[int, int]]) -> None:
    readable, writable = kind()
    shared = os.dup(writable)
    NonBlockingWriter(writable)
    assert os.get_blocking(shared)
    for descriptor in (readable, writable, shared):
        os.close(descriptor)


@pytest.mark.parametrize("kind", KINDS)
def test_reader_that_is_gone_is_not_an_error(kind: Callable[[], tuple[int, int]]) -> None:
    readable, writable = kind()
    if readable >= 0:
        os.close(readable)
    writer = NonBlockingWriter(writable)
    write_numbers(writer, range(LINES))
    writer.finish(30)
    os.close(writable)
    write_numbers(writer, range(2))


@pytest.mark.parametrize("existing", [b"", b"earlier\n"])
def test_regular_file_receives_every_line_after_what_is_there(tmp_path: Path, existing: bytes) -> None:
    path = tmp_path / "log"
    path.write_bytes(existing)
    with path.open("ab") as file:
        writer = NonBlockingWriter(file.fileno())
        write_numbers(writer, range(LINES))
        writer.write(b"x" * 300_000 + b"\n")
        writer.write(b"last\n")
        writer.finish(30)
    assert path.read_bytes() == (
        existing + b"".join(b"line %d\n" % number for number in range(LINES)) + b"x" * 300_000 + b"\nlast\n"
    )


def test_full_disk_is_not_an_error() -> None:
    with Path("/dev/full").open("wb") as file:
        write_numbers(NonBlockingWriter(file.fileno()), range(3))


def test_text_stream_has_the_properties_of_stderr() -> None:
    readable, writable = pty.openpty()
    tty.setraw(writable)
    stream = io.TextIOWrapper(NonBlockingWriter(writable), "utf-8", "backslashreplace", line_buffering=True)
    assert (stream.fileno(), stream.isatty(), stream.name, stream.writable()) == (writable, True, "<stderr>", True)
    print("a", "\udcff", file=stream)
    assert os.read(readable, 100) == rb"a \udcff" + b"\n"
    stream.buffer.write(memoryview(b"bytes"))
    assert os.read(readable, 100) == b"bytes"
    for descriptor in (readable, writable):
        os.close(descriptor)
