"""Append lines to a file that others may rotate, fill up or delete, without ever waiting for it.

The standard library's `WatchedFileHandler` behind a `QueueHandler` is not used: after a full disk it writes the rest of
a line later, an error while it opens the file again ends the thread of `QueueListener`, whose `stop` waits without a
limit, and neither can be used on Windows, where nobody can rename a file that is open.
"""

from __future__ import annotations

import errno
import logging
import os
import stat
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from threading import Condition, Thread
from typing import Final

logger = logging.getLogger("customerio_track_mcp.calls")

MAX_QUEUED_LINES: Final = 4096

_FLAGS: Final = (
    os.O_RDWR  # the end is read, too
    | os.O_APPEND
    | os.O_CREAT
    | getattr(os, "O_NOFOLLOW", 0)  # others may have put a link into a directory that they can write to
    | getattr(os, "O_NONBLOCK", 0)  # a FIFO without a reader
    | getattr(os, "O_NOCTTY", 0)
    | getattr(os, "O_BINARY", 0)
)
_PRIVATE: Final = 0o600
_TOO_SLOW: Final = "the file takes too long to write"


class LineAppender:
    """Appends lines to a file from a thread of its own.

    The file is opened for each batch of lines, so that it can be renamed, truncated or deleted at any time, and each
    line is one write, so that several processes can append to one file (not on NFS, nor on Windows). What cannot be
    written is lost and counted. A line that says how many follows once writing works again, or at the end.

    Args:
        path: the file; it is created with mode 0600. Its directory must exist.
        lost_line: returns a line, with its newline character, about a number of lost lines.
        on_lost: called with a number of lost lines, from any thread.
    """

    def __init__(self, path: Path, lost_line: Callable[[int], bytes], on_lost: Callable[[int], None]) -> None:
        self._path = path
        self._lost_line = lost_line
        self._on_lost = on_lost
        self._changed = Condition()
        self._queue: list[bytes] = []
        self._lost = 0  # since the file was last written
        self._is_closed = False
        self._thread = Thread(target=self._write_queue, name="write log", daemon=True)
        self._thread.start()

    def append(self, line: bytes) -> None:
        """Append a line, which ends in a newline character, soon; it is lost if too many wait."""
        with self._changed:
            fits = len(self._queue) < MAX_QUEUED_LINES
            if fits:
                self._queue.append(line)
                self._changed.notify_all()
        if not fits:
            self._lose(1, _TOO_SLOW)

    def close(self, seconds: float) -> None:
        """Wait at most this long until everything is written. What is not written by then may be lost."""
        with self._changed:
            self._is_closed = True
            self._changed.notify_all()
        self._thread.join(seconds)
        if self._thread.is_alive():
            self._lose(len(self._queue), _TOO_SLOW)

    def _write_queue(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._queue or self._is_closed)
                lines, self._queue = self._queue, []
            if not lines:
                if self._lost:
                    self._write(())
                return
            self._write(lines)

    def _write(self, lines: Sequence[bytes]) -> None:
        rest = deque(lines)
        try:
            descriptor = open_to_append(self._path)
            try:
                _end_last_line(descriptor)
                while rest:
                    _write_line(descriptor, rest[0])
                    rest.popleft()
                if self._lost:
                    self._report_lost(descriptor)
            finally:
                os.close(descriptor)
        except OSError as error:
            # NFS reports a full disk when the file is closed: then nothing is certain to be in it.
            self._lose(len(rest) or len(lines), error.strerror or type(error).__name__)

    def _lose(self, lines: int, reason: str) -> None:
        with self._changed:
            is_first = not self._lost
            self._lost += lines
        self._on_lost(lines)
        if is_first:
            logger.warning("write log can't be written", extra={"reason": reason})

    def _report_lost(self, descriptor: int) -> None:
        lost = self._lost
        try:
            _write_line(descriptor, self._lost_line(lost))
        except OSError:
            return  # still no room; later
        with self._changed:
            self._lost -= lost
        logger.warning("write log is written again", extra={"lines": lost})


def open_to_append(path: Path) -> int:
    """Open a regular file to append to, without waiting, and return its descriptor; it is created with mode 0600.

    Raises:
        OSError: it cannot be opened, or is not a regular file. `strerror` is the reason.
    """
    try:
        descriptor = os.open(path, _FLAGS, _PRIVATE)
    except OSError as error:
        if error.errno == errno.ELOOP and path.is_symlink():
            raise OSError(error.errno, "it is a symbolic link") from None
        raise
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "it is not a regular file")
    return descriptor


def _end_last_line(descriptor: int) -> None:
    """Write a newline character if the file ends within a line: of a process that was killed, or on a full disk.

    If another process is writing a line just now, the file gets an empty line after it.
    """
    if os.lseek(descriptor, 0, os.SEEK_END):
        os.lseek(descriptor, -1, os.SEEK_END)
        if os.read(descriptor, 1) != b"\n":
            _write_line(descriptor, b"\n")


def _write_line(descriptor: int, line: bytes) -> None:
    if os.write(descriptor, line) < len(line):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
