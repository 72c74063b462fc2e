"""Stdin and stdout as lines of bytes, each served by a thread.

The SDK's transport crosses between threads three times for each message. Here, one crossing takes all lines that are
available, which under load more than halves the cost of a call. The threads are daemons: a pending read or write cannot
be canceled, and must not keep the process from ending.
"""

from __future__ import annotations

import asyncio
import logging
import os
import select
import sys
from collections import deque
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from queue import SimpleQueue
from threading import Semaphore, Thread
from typing import Final

import anyio

from customerio_track_mcp.control.call import Settle
from customerio_track_mcp.jsonrpc import EDGE_BYTES

logger = logging.getLogger("customerio_track_mcp.stdio")

MAX_LINE_BYTES: Final = 2**21
"""A message of the host, without the line feed.

The largest call that the Track API's limits permit has 300 attributes with names of 150 and values of 1000 bytes, which
are six times as many bytes if every character is escaped.
"""

_CHUNK_BYTES: Final = 2**16
_MAX_CHUNKS_READ_AHEAD: Final = 4
_MAX_QUEUED_LINES: Final = 256
_FORWARD_TIMEOUT: Final = 1.0


@dataclass(frozen=True, slots=True)
class LongLine:
    """What is kept of a line of more than `MAX_LINE_BYTES`.

    Attributes:
        start: its first bytes.
        end: its last bytes.
    """

    start: bytes
    end: bytes


Line = bytes | LongLine


class LineReader:
    """Reads lines from a file descriptor.

    Args:
        descriptor: the file descriptor.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._loop = asyncio.get_running_loop()
        self._read_ahead = Semaphore(_MAX_CHUNKS_READ_AHEAD)
        self._send, self._receive = anyio.create_memory_object_stream[list[Line]](_MAX_CHUNKS_READ_AHEAD)
        self._out_of_memory = False
        _start_thread(self._read, "stdin")

    async def receive(self) -> list[Line]:
        """Return the next lines, as many as are available.

        Raises:
            EndOfStream: there are no more.
            MemoryError: the next one does not fit into memory.
        """
        try:
            lines = await self._receive.receive()
        except anyio.EndOfStream:
            if self._out_of_memory:
                raise MemoryError from None
            raise
        self._read_ahead.release()
        return lines

    def close(self) -> None:
        """Stop reading."""
        self._send.close()
        self._receive.close()

    def _read(self) -> None:
        with suppress(RuntimeError):  # the loop is closed
            try:
                for lines in _lines(self._descriptor):
                    self._read_ahead.acquire()
                    self._loop.call_soon_threadsafe(self._deliver, lines)
            except OSError as error:
                logger.warning("standard input can't be read: %s", error.strerror)
            except MemoryError:
                self._out_of_memory = True
            finally:
                self._loop.call_soon_threadsafe(self._send.close)

    def _deliver(self, lines: list[Line]) -> None:
        with suppress(anyio.ClosedResourceError):
            self._send.send_nowait(lines)


def _lines(descriptor: int) -> Iterator[list[Line]]:
    rest = _UnfinishedLine()
    while chunk := _read(descriptor):
        first, *others = chunk.split(b"\n")
        rest.append(first)
        if others:
            yield [rest.take(), *others[:-1]]
            rest.append(others[-1])
    if last := rest.take():
        yield [last]


def _read(descriptor: int) -> bytes:
    """Return what is available; wait until something is. The result is empty at the end of input."""
    while True:
        try:
            return os.read(descriptor, _CHUNK_BYTES)
        except BlockingIOError:  # another process that has the same open file has made it non-blocking
            select.select([descriptor], [], [])


class _UnfinishedLine:
    """A line of which parts were read. Of a long one, only the start and the end are kept."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0

    def append(self, part: bytes) -> None:
        self._parts.append(part)
        self._size += len(part)
        if self._size > MAX_LINE_BYTES:
            text = b"".join(self._parts)
            self._parts = [text[:EDGE_BYTES], text[-EDGE_BYTES:]]

    def take(self) -> Line:
        """Return the line, and begin another."""
        text = b"".join(self._parts)
        is_long = self._size > MAX_LINE_BYTES
        self._parts, self._size = [], 0
        return LongLine(text[:EDGE_BYTES], text[-EDGE_BYTES:]) if is_long else text


@asynccontextmanager
async def lines_to_stdout() -> AsyncIterator[LineWriter]:
    """Yield a writer of lines to stdout; when the block ends, they have all been written.

    During the block, anything else written to stdout goes to stderr: a stray line would corrupt the protocol.

    Raises:
        OSError: the reader is gone.
    """
    with _claim_stdout() as descriptor:
        writer = LineWriter(descriptor)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(writer.run)
            yield writer
            writer.close()


@contextmanager
def _claim_stdout() -> Iterator[int]:
    descriptor = os.dup(1)
    # Through a pipe and a thread: whoever prints must not wait for the reader of stderr.
    readable, writable = os.pipe()
    os.dup2(writable, 1)
    os.close(writable)
    forwarding = _start_thread(partial(_forward_to_stderr, readable), "stray output")
    try:
        yield descriptor
    finally:
        with suppress(OSError):
            sys.stdout.flush()
        # Not closed: the thread may still be writing, and the number must not be reused for another file.
        os.dup2(descriptor, 1)
        # It ends with the pipe, which a child process may keep open.
        forwarding.join(_FORWARD_TIMEOUT)


def _forward_to_stderr(readable: int) -> None:
    with suppress(OSError):
        while chunk := os.read(readable, _CHUNK_BYTES):
            # Whatever stderr is, go on reading: a full pipe would stop those who print.
            with suppress(AttributeError, OSError, ValueError):
                sys.stderr.buffer.write(chunk)
                sys.stderr.buffer.flush()


class LineWriter:
    """Writes lines to a file descriptor.

    Args:
        descriptor: the file descriptor.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lines: SimpleQueue[bytes] = SimpleQueue()
        self._queued = 0
        # Counted by the thread only: the lines that are complete, and those that are or whose line feed is about to be.
        self._written = self._settleable = 0
        self._room: anyio.Event | None = None
        self._settles: deque[tuple[int, Settle]] = deque()  # each with the number of the queued line that it is about
        self._is_settled = False
        self._ended = anyio.Event()
        self._error: OSError | MemoryError | None = None

    async def send(self, line: bytes, settle: Settle | None = None) -> None:
        """Write `line` after those before it; wait if too many lines are queued.

        Args:
            line: without the line feed.
            settle: called with whether all of it was written, before anything that its reader then sends is received
                by a `LineReader`; not if this raises an exception.
        """
        while self._unwritten >= _MAX_QUEUED_LINES:
            room = self._room = self._room or anyio.Event()
            # Checked again: the thread may have made room before it could see that somebody waits.
            if self._unwritten >= _MAX_QUEUED_LINES:
                await room.wait()
        text = line + b"\n"
        if self._unwritten or not _is_writable(self._descriptor, len(text)):
            self._queued += 1
            if settle is not None:
                self._settle_later(settle)
            self._lines.put(text)
            return
        try:
            _write_all(self._descriptor, text)
        except OSError as error:
            self._end(error)
        if settle is not None:
            settle(self._error is None)

    def close(self) -> None:
        """Let `run` return once everything is written."""
        self._lines.put(b"")

    async def run(self) -> None:
        """Write what cannot be written at once.

        Raises:
            OSError: the reader is gone.
            MemoryError: there is not enough memory.
        """
        try:
            _start_thread(partial(self._write, asyncio.get_running_loop()), "stdout")
            await self._ended.wait()
        finally:
            self._settle_rest()
        if self._error is not None:
            raise self._error

    @property
    def _unwritten(self) -> int:
        return self._queued - self._written

    def _write(self, loop: asyncio.AbstractEventLoop) -> None:
        error: OSError | MemoryError | None = None
        with suppress(RuntimeError):  # the loop is closed
            try:
                while text := self._lines.get():
                    _write_all(self._descriptor, text[:-1])
                    _wait_until_writable(self._descriptor)
                    # The reader can respond as soon as the line feed is written.
                    self._settleable += 1
                    if self._settles:
                        loop.call_soon_threadsafe(self._settle_written)
                    _write_all(self._descriptor, text[-1:])
                    self._written += 1
                    if self._room is not None:
                        loop.call_soon_threadsafe(self._notify_room)
            except (OSError, MemoryError) as failure:
                error = failure
            loop.call_soon_threadsafe(self._end, error)

    def _settle_later(self, settle: Settle) -> None:
        if self._is_settled:
            settle(False)
        else:
            self._settles.append((self._queued, settle))

    def _settle_rest(self) -> None:
        """Settle what was queued: from now on, nobody waits until it is written."""
        self._is_settled = True
        self._settle_written()
        while self._settles:
            self._settles.popleft()[1](False)

    def _settle_written(self) -> None:
        while self._settles and self._settles[0][0] <= self._settleable:
            self._settles.popleft()[1](True)

    def _notify_room(self) -> None:
        if self._room is not None:
            self._room.set()
            self._room = None

    def _end(self, error: OSError | MemoryError | None) -> None:
        self._error = error
        self._ended.set()


def _start_thread(target: Callable[[], None], name: str) -> Thread:
    """Start a daemon thread.

    Raises:
        MemoryError: there is not enough memory for its stack.
    """
    thread = Thread(target=target, name=name, daemon=True)
    try:
        thread.start()
    except RuntimeError:
        raise MemoryError from None
    return thread


def _is_writable(descriptor: int, size: int) -> bool:
    """Return whether `size` bytes can be written now without waiting for the reader."""
    if sys.platform == "win32":  # its select supports sockets only
        return False
    return size <= select.PIPE_BUF and bool(select.select([], [descriptor], [], 0)[1])


def _wait_until_writable(descriptor: int) -> None:
    if sys.platform != "win32":
        select.select([], [descriptor], [])


def _write_all(descriptor: int, text: bytes) -> None:
    unwritten = memoryview(text)
    while unwritten:
        try:
            unwritten = unwritten[os.write(descriptor, unwritten) :]
        except BlockingIOError:  # another process that has the same open file has made it non-blocking
            _wait_until_writable(descriptor)
