"""Reading a text file that an operator named: bounded in size, and never blocking."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

MAX_BYTES: Final = 1_048_576
"""Maximum size of a file. A file of settings or tokens has some kilobytes."""


class UnusableFileError(Exception):
    """A file is not a text file of at most `MAX_BYTES`. The message starts with "cannot be read"."""


def read_text_file(path: Path) -> str:
    """Return the text of a regular file, with lines that end in a newline character and without a byte order mark.

    A symbolic link to a regular file is followed: Kubernetes mounts secrets so.

    Raises:
        OSError: the file cannot be read.
        UnusableFileError: it is not a regular file, too large, or not UTF-8 text.
    """
    _require_regular(path.stat())
    # The file may have been replaced in between: opening a FIFO without O_NONBLOCK waits for a writer.
    with open(path, "rb", opener=_open_without_waiting) as file:
        _require_regular(os.fstat(file.fileno()))
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise UnusableFileError(f"cannot be read: it is larger than {MAX_BYTES} bytes")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise UnusableFileError("cannot be read as UTF-8 text") from None
    # UTF-16 without a byte order mark, and encrypted files, can be valid UTF-8.
    if "\0" in text:
        raise UnusableFileError("cannot be read as UTF-8 text")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _require_regular(status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise UnusableFileError("cannot be read: it is not a regular file")
    if status.st_size > MAX_BYTES:
        raise UnusableFileError(f"cannot be read: it is larger than {MAX_BYTES} bytes")


def _open_without_waiting(path: str, flags: int) -> int:
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))  # Windows has no FIFOs in its file system
