"""Reading a file that an operator named, whatever is in its place."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final

import pytest

from customerio_track_mcp.settings.text_file import MAX_BYTES, UnusableFileError, read_text_file
from customerio_track_mcp.settings.text_file import _open_without_waiting as open_without_waiting

WITHOUT_SIZE: Final = Path("/proc/kallsyms")
"""A regular file of megabytes whose size is reported as 0, on Linux."""


def test_a_file_is_read_with_uniform_line_ends_and_without_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes("\ufeffä\r\nb\rc\n\ufeff".encode())
    (tmp_path / "link").symlink_to("file")
    assert read_text_file(tmp_path / "link") == "ä\nb\nc\n\ufeff"


def test_the_size_is_bounded(tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"x" * MAX_BYTES)
    assert len(read_text_file(file)) == MAX_BYTES
    file.write_bytes(b"x" * (MAX_BYTES + 1))
    with pytest.raises(UnusableFileError, match=r"^cannot be read: it is larger than 1048576 bytes$"):
        read_text_file(file)
    file.write_bytes(b"")
    os.truncate(file, 2**33)  # without the disk space for it
    with pytest.raises(UnusableFileError, match="larger than"):
        read_text_file(file)


@pytest.mark.skipif(not os.access(WITHOUT_SIZE, os.R_OK), reason="not Linux")
def test_the_size_is_bounded_if_it_is_not_known() -> None:
    assert WITHOUT_SIZE.stat().st_size == 0
    with pytest.raises(UnusableFileError, match="larger than"):
        read_text_file(WITHOUT_SIZE)


@pytest.mark.skipif(sys.platform == "win32", reason="POSIX files")
def test_a_fifo_that_takes_the_place_of_a_file_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    with open(tmp_path / "fifo", "rb", opener=open_without_waiting) as file:
        assert file.read() == b""
