"""The directory in which the workers of `--workers` keep their metrics together. POSIX only.

Every process of the service holds a shared lock on the directory itself. The system releases it however a process ends,
so a directory that nobody has locked belongs to a service that is gone. systemd-tmpfiles spares locked directories too.
"""

from __future__ import annotations

import os
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

if sys.platform != "win32":
    import fcntl

DIRECTORY_PREFIX: Final = "customerio-track-mcp-metrics-"
"""The beginning of the names of these directories."""

_SUFFIX: Final = ".db"
_MAX_ATTEMPTS: Final = 10
"""Attempts to lock a directory that another process deletes at the same time."""


class MetricsDirectory:
    """The directory of one service, as one of its processes uses it.

    Args:
        path: where it is; the directory may be missing.

    Raises:
        OSError: it cannot be created, or it is not a directory that only this user can use.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor = self._created_and_locked()
        self._files: frozenset[str] = frozenset()

    def remember_files(self) -> None:
        """Remember the files of this process, which exist now."""
        self._files = frozenset(map(str, self.path.glob(f"*_{os.getpid()}{_SUFFIX}")))

    def is_lost(self) -> bool:
        """Return whether the directory or a file of this process was deleted."""
        return not _is_same(self._descriptor, self.path) or not all(map(os.path.exists, self._files))

    def recreate(self) -> None:
        """Create the directory again if it was deleted.

        Raises:
            OSError: it cannot be created.
        """
        descriptor = self._created_and_locked()
        os.close(self._descriptor)
        self._descriptor = descriptor

    def close(self) -> None:
        """Release the lock."""
        os.close(self._descriptor)

    def _created_and_locked(self) -> int:
        for _ in range(_MAX_ATTEMPTS):
            with suppress(FileExistsError):
                self.path.mkdir(mode=0o700)
            with suppress(FileNotFoundError):
                return _locked(self.path, fcntl.LOCK_SH)
        raise FileNotFoundError(f"{self.path} keeps being deleted")


@contextmanager
def open_metrics_directory() -> Iterator[Path]:
    """Create a directory for the metrics of a service, and delete it when the block ends.

    Directories of services of this user that were killed are deleted first.

    Raises:
        OSError: it cannot be created.
    """
    parent = Path(tempfile.gettempdir())
    for path in parent.glob(f"{DIRECTORY_PREFIX}*"):
        _remove_if_unused(path)
    directory = MetricsDirectory(Path(tempfile.mkdtemp(prefix=DIRECTORY_PREFIX, dir=parent)))
    try:
        yield directory.path
    finally:
        directory.close()
        _remove_if_unused(directory.path)


def _remove_if_unused(path: Path) -> None:
    """Delete a directory of this user that no process has locked, if it contains nothing but metrics."""
    with suppress(OSError):
        descriptor = _locked(path, fcntl.LOCK_EX | fcntl.LOCK_NB)
        try:
            names = os.listdir(descriptor)  # noqa: PTH208 - of the directory that is locked, whatever the path names
            if all(_is_metrics(name, descriptor) for name in names):
                for name in names:
                    os.unlink(name, dir_fd=descriptor)
                path.rmdir()
        finally:
            os.close(descriptor)


def _is_metrics(name: str, descriptor: int) -> bool:
    status = os.stat(name, dir_fd=descriptor, follow_symlinks=False)
    return name.endswith(_SUFFIX) and stat.S_ISREG(status.st_mode)


def _locked(path: Path, operation: int) -> int:
    """Return a descriptor of the directory, which has the lock.

    Raises:
        FileNotFoundError: it was deleted meanwhile.
        BlockingIOError: a process of a service uses it.
        OSError: it is not a directory, or not one that only this user can use.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        _lock(descriptor, path, operation)
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor


def _lock(descriptor: int, path: Path, operation: int) -> None:
    status = os.fstat(descriptor)
    if status.st_uid != os.geteuid() or status.st_mode & 0o077:
        raise PermissionError(f"{path} can be used by others")
    fcntl.flock(descriptor, operation)
    if not _is_same(descriptor, path):
        raise FileNotFoundError(path)


def _is_same(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.lstat(path))
    except FileNotFoundError:
        return False
