"""Standard input and output as lines of bytes, each of the two in the hands of a thread.

The SDK's transport crosses between threads three times for each message. Here one crossing takes along all that has
piled up, which under load more than halves what a call costs. The threads are daemons: a pending read or write can't
be cancelled, and must not keep the process from ending.
"""

from __future__ import annotations

import asyncio
import logging
import os
import select
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from queue import SimpleQueue
from threading import Semaphore, Thread
from typing import Final

import anyio

logger = logging.getLogger("customerio_track_mcp.stdio")

_CHUNK_BYTES: Final = 2**16
_READ_AHEAD: Final = 4
_MOST_UNWRITTEN: Final = 256


class LineReader:
    """The lines of a file descriptor.

    Args:
        descriptor: where from.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._loop = asyncio.get_running_loop()
        self._read_ahead = Semaphore(_READ_AHEAD)
        self._came, self._coming = anyio.create_memory_object_stream[list[bytes]](_READ_AHEAD)
        Thread(target=self._read, name="stdin", daemon=True).start()

    async def receive(self) -> list[bytes]:
        """The next lines, as many as there are.

        Raises:
            EndOfStream: there are no more.
        """
        lines = await self._coming.receive()
        self._read_ahead.release()
        return lines

    def close(self) -> None:
        """Read no more."""
        self._came.close()
        self._coming.close()

    def _read(self) -> None:
        with suppress(RuntimeError):  # the loop is closed
            try:
                for lines in _lines(self._descriptor):
                    self._read_ahead.acquire()
                    self._loop.call_soon_threadsafe(self._deliver, lines)
            except OSError as error:
                logger.warning("standard input can't be read: %s", error.strerror)
            finally:
                self._loop.call_soon_threadsafe(self._came.close)

    def _deliver(self, lines: list[bytes]) -> None:
        with suppress(anyio.ClosedResourceError):
            self._came.send_nowait(lines)


def _lines(descriptor: int) -> Iterator[list[bytes]]:
    rest: list[bytes] = []
    while chunk := os.read(descriptor, _CHUNK_BYTES):
        first, *others = chunk.split(b"\n")
        rest.append(first)
        if others:
            yield [b"".join(rest), *others[:-1]]
            rest = others[-1:]
    if last := b"".join(rest):
        yield [last]


@asynccontextmanager
async def lines_to_stdout() -> AsyncIterator[LineWriter]:
    """A writer of lines to standard output; at the end of the context they have all been written.

    In between, whatever else is written there goes to standard error: a stray line would end the conversation.

    Raises:
        OSError: nobody reads any more.
    """
    with _standard_output() as descriptor:
        writer = LineWriter(descriptor)
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(writer.run)
            yield writer
            writer.close()


@contextmanager
def _standard_output() -> Iterator[int]:
    descriptor = os.dup(1)
    # Where the process was started without standard error, number 2 is anything.
    os.dup2(2 if sys.stderr is not None else os.open(os.devnull, os.O_WRONLY), 1)
    try:
        yield descriptor
    finally:
        with suppress(OSError):
            sys.stdout.flush()
        # Not closed: the thread may still be at a write, and the number must not come to mean another file.
        os.dup2(descriptor, 1)


class LineWriter:
    """Writes lines to a file descriptor.

    Args:
        descriptor: where to.
    """

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._lines: SimpleQueue[bytes] = SimpleQueue()
        self._put = 0
        self._taken = 0  # counted by the thread alone
        self._wanted: anyio.Event | None = None
        self._over = anyio.Event()
        self._error: OSError | None = None

    async def send(self, line: bytes) -> None:
        """Have `line` written, after those before it; wait while far too many are unwritten."""
        while self._unwritten >= _MOST_UNWRITTEN:
            wanted = self._wanted = self._wanted or anyio.Event()
            # Asked again: the thread may have made room before it could see that somebody waits.
            if self._unwritten >= _MOST_UNWRITTEN:
                await wanted.wait()
        text = line + b"\n"
        if self._unwritten or not _takes_at_once(self._descriptor, len(text)):
            self._put += 1
            self._lines.put(text)
            return
        try:
            _write_all(self._descriptor, text)
        except OSError as error:
            self._end(error)

    def close(self) -> None:
        """Let `run` return once all is written."""
        self._lines.put(b"")

    async def run(self) -> None:
        """Write what can't be written at once.

        Raises:
            OSError: nobody reads any more.
        """
        loop = asyncio.get_running_loop()
        Thread(target=self._write, args=(loop,), name="stdout", daemon=True).start()
        await self._over.wait()
        if self._error is not None:
            raise self._error

    @property
    def _unwritten(self) -> int:
        return self._put - self._taken

    def _write(self, loop: asyncio.AbstractEventLoop) -> None:
        error: OSError | None = None
        with suppress(RuntimeError):  # the loop is closed
            try:
                while text := self._lines.get():
                    _write_all(self._descriptor, text)
                    self._taken += 1
                    if self._wanted is not None:
                        loop.call_soon_threadsafe(self._make_room)
            except OSError as failure:
                error = failure
            loop.call_soon_threadsafe(self._end, error)

    def _make_room(self) -> None:
        if self._wanted is not None:
            self._wanted.set()
            self._wanted = None

    def _end(self, error: OSError | None) -> None:
        self._error = error
        self._over.set()


def _takes_at_once(descriptor: int, size: int) -> bool:
    """Whether so many bytes can be written now without waiting for who reads them."""
    if sys.platform == "win32":  # whose select knows sockets only
        return False
    return size <= select.PIPE_BUF and bool(select.select([], [descriptor], [], 0)[1])


def _write_all(descriptor: int, text: bytes) -> None:
    unwritten = memoryview(text)
    while unwritten:
        unwritten = unwritten[os.write(descriptor, unwritten) :]
