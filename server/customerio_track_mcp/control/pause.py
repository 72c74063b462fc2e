"""While the operator's pause file exists, every write is refused."""

from __future__ import annotations

import logging
import os
import stat
from asyncio import wrap_future
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Final

import anyio

from customerio_track_mcp.control.call import Call
from customerio_track_mcp.control.chain import Send
from customerio_track_mcp.control.errors import RefusedError
from customerio_track_mcp.control.write import Write
from customerio_track_mcp.track import Receipt, shorten

logger = logging.getLogger("customerio_track_mcp.calls")

MAX_REASON_CHARACTERS: Final = 200
CHECK_TIMEOUT: Final = 2.0
"""Seconds to look for the file; after that it counts as existing. A network file system can take any time."""

_MAX_BYTES: Final = 4 * (MAX_REASON_CHARACTERS + 1)  # the first line, in UTF-8
_WINDOWS_NOT_FOUND: Final = (2, 3)
"""Windows' file or path not found. Python reports errors of an unreachable network share as not found, too."""


class PausedError(RefusedError):
    """The operator has paused this server, or it is not known whether they have."""

    code = "paused"
    advice = "Do not call again by yourself: ask the user, since only the operator can end the pause."


class Pause:
    """Refuses every write while a file exists. Each call looks for it, so that it takes effect at once.

    Anything at that path pauses: a directory or a dangling symbolic link, too. If it cannot be known whether it exists,
    it counts as existing.

    Args:
        path: the absolute path of the file. Its first line is the reason that callers see.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        # A thread, since a network file system can block. It costs 0.1 to 0.2 ms, and looking by itself 0.005 ms. Only
        # one, so that blocked threads do not accumulate.
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="pause-file")
        self._running: Future[str | None] | None = None
        self._blocked: Future[str | None] | None = None
        self._failure = ""

    async def __call__(self, write: Write, call: Call, proceed: Send) -> Receipt | None:
        """Send a write unless the file exists."""
        await self._require_no_pause()
        return await proceed(write, call)

    async def _require_no_pause(self) -> None:
        try:
            reason = await self._look()
        except (OSError, ValueError) as error:
            name = type(error).__name__
            self._report(name)
            raise PausedError(
                f"Whether the operator has paused this server cannot be determined ({name}), so it counts as paused"
            ) from None
        self._report("")
        if reason is not None:
            raise PausedError("The operator has paused this server" + (f": {reason!r}" if reason else ""))

    async def _look(self) -> str | None:
        """Return what `pause_reason` does.

        Raises:
            OSError: as `pause_reason` does, or the file system does not respond in time.
            ValueError: as `pause_reason` does.
        """
        if self._blocked is not None and not self._blocked.done():
            raise TimeoutError
        look = self._thread.submit(pause_reason, self._path)
        if self._running is None or self._running.done():
            self._running = look
        try:
            with anyio.fail_after(CHECK_TIMEOUT):
                return await wrap_future(look)
        except TimeoutError:
            self._blocked = self._running  # others need not wait for it, too
            raise

    def _report(self, failure: str) -> None:
        """Log once that it is not known whether the file exists, and once that it is again."""
        if failure != self._failure:
            if failure:
                logger.warning("pause file can't be checked: nothing is sent", extra={"error": failure})
            else:
                logger.warning("pause file can be checked again")
            self._failure = failure


def pause_reason(path: Path) -> str | None:
    """Return the first line of the file for a message, empty without one; None if nothing exists at `path`.

    Raises:
        OSError: it is not known whether anything exists there.
        ValueError: likewise.
    """
    try:
        status = path.lstat()  # not `stat`: a dangling link exists, too
    except FileNotFoundError as error:
        if getattr(error, "winerror", None) in (None, *_WINDOWS_NOT_FOUND):
            return None
        raise
    try:
        return _first_line(path, status)
    except OSError:
        return ""


def _first_line(path: Path, status: os.stat_result) -> str:
    if stat.S_ISLNK(status.st_mode):
        status = path.stat()  # Kubernetes mounts files as links
    if not stat.S_ISREG(status.st_mode):
        return ""
    with open(path, "rb", opener=_open_without_waiting) as file:
        text = file.read(_MAX_BYTES).decode("utf-8-sig", errors="replace").strip()
    return shorten(text.splitlines()[0].strip() if text else "", MAX_REASON_CHARACTERS)


def _open_without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))  # it may have been replaced by a FIFO
