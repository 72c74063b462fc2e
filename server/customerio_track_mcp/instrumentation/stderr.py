"""A stderr that never blocks: what nobody reads is dropped, counted, and the count logged later.

A host may open a pipe for stderr and never read it. Once the pipe is full, every write would wait for good, whoever
writes: the event loop that logs a call, a library that warns, a thread that prints its traceback.
"""

from __future__ import annotations

import atexit
import io
import logging
import os
import select
import stat
import sys
from contextlib import suppress
from threading import Condition, Thread, current_thread
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

logger = logging.getLogger("customerio_track_mcp.calls")

_MAX_QUEUED_BYTES: Final = 2**17
_EXIT_TIMEOUT: Final = 1.0


def protect_stderr() -> None:
    """Replace `sys.stderr` with a stream whose writes neither wait nor raise, until the process ends.

    Writes that bypass Python's stream (those of a C library or a child process) fail instead of waiting, if stderr is a
    pipe or a terminal on Linux.
    """
    stream = sys.stderr
    if stream is None or (sys.platform == "win32" and stream.isatty()):  # a console, which Python writes as UTF-16
        return
    writer = NonBlockingWriter(stream.fileno())
    sys.stderr = io.TextIOWrapper(writer, stream.encoding, stream.errors, line_buffering=True)
    sys.__stderr__ = sys.stderr  # type: ignore[misc]
    atexit.register(writer.finish, _EXIT_TIMEOUT)
    if sys.platform != "win32":
        os.register_at_fork(after_in_child=writer.start)


class NonBlockingWriter(io.RawIOBase):
    """Writes to a file descriptor: at once if that is possible, else from a thread, in the order of the calls.

    The thread's queue is bounded. What does not fit is dropped, and the number of dropped lines is logged when the
    reader reads again. If the reader is gone, everything is discarded.

    Args:
        descriptor: the file descriptor. It is made non-blocking if no other process can notice that.
    """

    name = "<stderr>"

    def __init__(self, descriptor: int) -> None:
        mode = os.fstat(descriptor).st_mode
        self._descriptor = descriptor
        self._never_waits = stat.S_ISREG(mode) or _can_be_made_nonblocking(descriptor, mode)
        self._is_socket = stat.S_ISSOCK(mode) and sys.platform != "win32"
        self._finished = False
        self.start()

    def start(self) -> None:
        """Start with an empty queue: in a new writer, or in a forked process, whose parent writes what was queued."""
        self._changed = Condition()  # its lock is reentrant, since a finalizer that runs in between may write too
        self._idle = True  # nothing is queued or being written by the thread
        self._queue: list[bytes] = []
        self._queued_bytes = 0
        self._dropped_lines = 0
        self._thread = Thread(target=self._write_queue, name="stderr", daemon=True)
        self._thread.start()

    def wait_until_written(self, seconds: float) -> bool:
        """Wait at most this long until the queue is written; return whether it is."""
        with self._changed:
            return self._changed.wait_for(lambda: self._idle, seconds)

    def finish(self, seconds: float) -> None:
        """Wait at most this long until the queue is written. Later writes are made at once, or dropped."""
        self.wait_until_written(seconds)
        self._finished = True

    def writable(self) -> bool:
        """Return True."""
        return True

    def fileno(self) -> int:
        """Return the file descriptor."""
        return self._descriptor

    def isatty(self) -> bool:
        """Return whether the file descriptor is a terminal."""
        return os.isatty(self._descriptor)

    def write(self, data: ReadableBuffer, /) -> int:
        """Write, queue or drop `data`, and return its length."""
        text = bytes(data)
        if self._finished:
            # Without the lock: the interpreter may have stopped the thread while it was locked.
            self._write_at_once(text)
            return len(text)
        with self._changed:
            if rest := self._write_at_once(text) if self._idle else text:
                self._put(rest)
        return len(text)

    def _write_at_once(self, text: bytes) -> bytes:
        """Write as much of `text` as is possible without waiting, and return the rest."""
        if not (self._never_waits or (self._is_socket and _has_room(self._descriptor, len(text)))):
            return text
        try:
            return text[os.write(self._descriptor, text) :]
        except BlockingIOError:
            return text
        except OSError:
            return b""

    def _put(self, text: bytes) -> None:
        fits = self._queued_bytes + len(text) <= _MAX_QUEUED_BYTES
        # The thread itself logs the number of dropped lines, and nothing else.
        if not (fits or self._idle or current_thread() is self._thread):
            self._dropped_lines += text.count(b"\n") or 1
            return
        self._queue.append(text)
        self._queued_bytes += len(text)
        self._idle = False
        self._changed.notify_all()

    def _write_queue(self) -> None:
        while True:
            with self._changed:
                if not self._queue:
                    self._idle = True
                    self._changed.notify_all()
                self._changed.wait_for(lambda: self._queue)
                texts, self._queue = self._queue, []
            for text in texts:
                self._write(text)
                with self._changed:
                    self._queued_bytes -= len(text)
            with self._changed:
                dropped, self._dropped_lines = self._dropped_lines, 0
            if dropped:
                logger.error("lines dropped: stderr was not read", extra={"lines": dropped})

    def _write(self, text: bytes) -> None:
        with suppress(OSError):
            while text:
                try:
                    text = text[os.write(self._descriptor, text) :]
                except BlockingIOError:
                    _wait_for_room(self._descriptor)


def _can_be_made_nonblocking(descriptor: int, mode: int) -> bool:
    """Make writes to a pipe or a device fail rather than wait; return whether that was possible.

    The flag belongs to the open file, which other processes may share and expect to block. So what the descriptor
    refers to is opened once more, which Linux supports for everything but sockets.
    """
    if not (stat.S_ISFIFO(mode) or stat.S_ISCHR(mode)):
        return False
    try:
        opened = os.open(f"/proc/self/fd/{descriptor}", os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY)
    except OSError:
        return False
    os.dup2(opened, descriptor)
    os.close(opened)
    return True


def _has_room(descriptor: int, size: int) -> bool:
    """Return whether a socket takes `size` bytes without waiting.

    It reports room only when most of its buffer is free, unlike a pipe, whose last room another process that writes to
    it may take in between.
    """
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    return size <= select.PIPE_BUF and bool(poll.poll(0))


def _wait_for_room(descriptor: int) -> None:
    """Wait until a descriptor takes at least a byte, or its reader is gone."""
    poll = select.poll()
    poll.register(descriptor, select.POLLOUT)
    poll.poll()
