"""Appending lines to a file that others rotate, fill up, replace and delete. Everything is a real file."""

from __future__ import annotations

import os
import resource
import shutil
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Event, current_thread
from typing import Final

import pytest

from customerio_track_mcp.instrumentation.line_appender import MAX_QUEUED_LINES, LineAppender, open_to_append
from tests.support.waiting import wait_until

LOST: Final = "write log can't be written"
BACK: Final = "write log is written again"


class Appender:
    """A `LineAppender` that counts what is lost; `on_lost` is called in its thread."""

    def __init__(self, path: Path, on_lost: Callable[[], object] = lambda: None) -> None:
        self.path = path
        self.lost = 0
        self._on_lost = on_lost
        self.lines = LineAppender(path, b"%d lost\n".__mod__, self._count)

    async def write(self, text: str) -> None:
        """Append a line, and wait until it is in the file."""
        self.lines.append(f"{text}\n".encode())
        await wait_until(lambda: self.path.is_file() and text in self.path.read_text().splitlines())

    async def lose(self, text: str) -> None:
        """Append a line, and wait until it is lost."""
        before = self.lost
        self.lines.append(f"{text}\n".encode())
        await wait_until(lambda: self.lost > before)

    def _count(self, lines: int) -> None:
        self.lost += lines
        self._on_lost()


@pytest.fixture
def appender(tmp_path: Path) -> Iterator[Appender]:
    opened = Appender(tmp_path / "log")
    yield opened
    opened.lines.close(20)


def events(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records]


@contextmanager
def full_disk(size: int) -> Iterator[None]:
    """Let no file of this process grow beyond `size` bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("umask", [0, 0o022])
async def test_new_file_is_private_and_the_mode_of_an_existing_one_stays(appender: Appender, umask: int) -> None:
    before = os.umask(umask)
    try:
        await appender.write("one")
    finally:
        os.umask(before)
    assert stat.S_IMODE(appender.path.stat().st_mode) == 0o600
    appender.path.chmod(0o640)
    await appender.write("two")
    assert stat.S_IMODE(appender.path.stat().st_mode) == 0o640


@pytest.mark.parametrize("before", ["", "before\n", "half a line of a process that was killed"])
async def test_lines_are_appended_in_order_and_written_at_the_end(tmp_path: Path, before: str) -> None:
    (tmp_path / "log").write_text(before)
    appender = Appender(tmp_path / "log")
    for number in range(1000):
        appender.lines.append(b"%d\n" % number)
    appender.lines.close(20)
    assert appender.path.read_text().splitlines() == [*before.splitlines(), *map(str, range(1000))]


async def test_file_can_be_rotated_truncated_and_deleted(appender: Appender, caplog: pytest.LogCaptureFixture) -> None:
    await appender.write("one")
    rotated = appender.path.rename(appender.path.with_suffix(".1"))
    await appender.write("two")
    assert (rotated.read_text(), appender.path.read_text()) == ("one\n", "two\n")
    assert stat.S_IMODE(appender.path.stat().st_mode) == 0o600
    os.truncate(appender.path, 0)  # logrotate's copytruncate
    await appender.write("three")
    assert appender.path.read_text() == "three\n"
    appender.path.unlink()
    await appender.write("four")
    assert appender.path.read_text() == "four\n"
    assert (appender.lost, events(caplog)) == (0, [])


def _remove_folder(path: Path) -> None:
    shutil.rmtree(path.parent)


def _put_directory(path: Path) -> None:
    path.mkdir()


def _put_fifo(path: Path) -> None:
    os.mkfifo(path)


def _put_link(path: Path) -> None:
    (path.parent / "other").touch()
    path.symlink_to(path.parent / "other")


def _put_device(path: Path) -> None:
    path.symlink_to("/dev/full")


@pytest.mark.parametrize(
    ("break_it", "reason"),
    [
        (_remove_folder, "No such file or directory"),
        (_put_directory, "Is a directory"),
        (_put_fifo, "it is not a regular file"),
        (_put_link, "it is a symbolic link"),
        (_put_device, "it is a symbolic link"),
    ],
)
async def test_what_replaces_the_file_is_reported_once_and_until_it_is_gone(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, break_it: Callable[[Path], None], reason: str
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    appender = Appender(folder / "log")
    await appender.write("one")
    appender.path.unlink()
    break_it(appender.path)
    await appender.lose("two")
    await appender.lose("three")
    assert events(caplog) == [LOST]
    assert vars(caplog.records[0])["reason"] == reason
    assert [path.read_text() for path in folder.glob("other")] in ([], [""])

    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    await appender.write("four")
    await appender.write("five")
    appender.lines.close(20)
    assert appender.path.read_text() == "four\n2 lost\nfive\n"
    assert events(caplog) == [LOST, BACK]
    assert vars(caplog.records[1])["lines"] == 2


@pytest.mark.parametrize("path", [Path("/dev/full"), Path("/dev/null"), Path("/")])
def test_device_or_directory_is_not_opened(path: Path) -> None:
    with pytest.raises(OSError, match=r"not a regular file|Is a directory"):
        open_to_append(path)


async def test_full_disk_loses_whole_lines_only(appender: Appender, caplog: pytest.LogCaptureFixture) -> None:
    await appender.write("one")
    with full_disk(appender.path.stat().st_size + 3):
        await appender.lose("two, of which three bytes fit")
        await appender.lose("three")
    assert appender.path.read_text() == "one\ntwo"
    await appender.write("four")
    await wait_until(lambda: BACK in events(caplog))
    assert appender.path.read_text() == "one\ntwo\nfour\n2 lost\n"
    assert events(caplog) == [LOST, BACK]
    assert vars(caplog.records[0])["reason"] in ("No space left on device", "File too large")
    assert appender.lost == 2


@pytest.mark.parametrize("is_writable", [True, False])
async def test_lost_lines_are_noted_at_the_end(tmp_path: Path, is_writable: bool) -> None:
    path = tmp_path / "log"
    path.mkdir()
    appender = Appender(path)
    await appender.lose("one")
    if is_writable:
        path.rmdir()
    appender.lines.close(20)
    assert appender.lost == 1
    assert not is_writable or path.read_text() == "1 lost\n"


async def test_queue_is_bounded_and_nobody_waits_for_a_file_that_hangs(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    go, hangs = Event(), Event()

    def hang() -> None:
        if current_thread().name == "write log":
            hangs.set()
            go.wait(20)

    (tmp_path / "log").mkdir()
    appender = Appender(tmp_path / "log", hang)
    appender.lines.append(b"hangs\n")
    await wait_until(hangs.is_set)
    for number in range(MAX_QUEUED_LINES + 3):
        appender.lines.append(b"%d\n" % number)
    assert appender.lost == 1 + 3
    appender.lines.close(0.01)
    assert appender.lost == 1 + 3 + MAX_QUEUED_LINES
    caplog.clear()
    go.set()


@pytest.mark.integration
def test_lines_of_several_processes_stay_whole(tmp_path: Path) -> None:
    program = (
        "import sys, pathlib\n"
        "from customerio_track_mcp.instrumentation.line_appender import LineAppender\n"
        "appender = LineAppender(pathlib.Path(sys.argv[1]), lambda lost: b'', lambda lost: None)\n"
        "for number in range(500):\n"
        "    appender.append(b'%s %d %s\\n' % (sys.argv[2].encode(), number, b'x' * 9000))\n"
        "appender.close(20)\n"
    )
    processes = [
        subprocess.Popen([sys.executable, "-c", program, str(tmp_path / "log"), str(process)]) for process in range(3)
    ]
    assert [process.wait(60) for process in processes] == [0, 0, 0]
    lines = [line for line in (tmp_path / "log").read_text().splitlines() if line]
    assert {line.split()[2] for line in lines} == {"x" * 9000}
    for process in range(3):
        numbers = [int(line.split()[1]) for line in lines if line.startswith(f"{process} ")]
        assert numbers == list(range(500))
