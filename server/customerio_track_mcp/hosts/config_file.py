"""Read and replace a host's configuration file: atomically, with a backup, and not while somebody else changes it."""

from __future__ import annotations

import errno
import os
import stat
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from customerio_track_mcp.hosts.errors import ConfigFileError

MAX_BYTES: Final = 64 * 1_048_576
"""Maximum size of a file. Claude Code's contains its state, and has some megabytes on a busy machine."""

_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"
_OTHER_BYTE_ORDER_MARKS: Final = (b"\xff\xfe", b"\xfe\xff")
_PRIVATE: Final = 0o600
_UMASK_DECIDES: Final = 0o666
_BACKUP: Final = ".customerio-track-backup-"
_FULL: Final = (errno.ENOSPC, errno.EDQUOT)


@dataclass(frozen=True, slots=True)
class ConfigFile:
    """A configuration file as it was when it was read.

    Attributes:
        path: where the host looks for it.
        target: the file that is read and written: `path`, or what it is a symbolic link to.
        content: its bytes; None if it does not exist.
        status: of `target`; None if it does not exist.
    """

    path: Path
    target: Path
    content: bytes | None
    status: os.stat_result | None

    @classmethod
    def read(cls, path: Path) -> ConfigFile:
        """Read a file, which may not exist.

        Raises:
            ConfigFileError: it cannot be read, is not a regular file, or is not UTF-8 text.
        """
        try:
            target = Path(os.path.realpath(path, strict=False))
            if target.is_symlink():
                raise ConfigFileError(f"{path} is a symbolic link that leads to itself; correct it")
            content, status = _content(target)
        except OSError as error:
            raise ConfigFileError(f"{path} cannot be read: {error.strerror}") from None
        file = cls(path, target, content, status)
        _ = file.text
        return file

    @property
    def text(self) -> str:
        """The text, with its line ends and without a byte order mark.

        Raises:
            ConfigFileError: the file is not UTF-8 text.
        """
        content = self.content or b""
        advice = "save it as UTF-8 in an editor, and run the command again"
        if content.startswith(_OTHER_BYTE_ORDER_MARKS):
            raise ConfigFileError(f"{self.path} is UTF-16 text, which the host cannot read: {advice}")
        try:
            text = content.removeprefix(_BYTE_ORDER_MARK).decode()
        except UnicodeDecodeError as error:
            raise ConfigFileError(f"{self.path} is not UTF-8 text (at byte {error.start + 1}): {advice}") from None
        if "\0" in text:
            raise ConfigFileError(f"{self.path} is not a text file: it contains a null character")
        return text

    @property
    def is_private(self) -> bool:
        """Whether only its owner can read it. Windows decides that by the folder."""
        return self.status is not None and (os.name == "nt" or not self.status.st_mode & 0o077)

    def write(self, text: str, *, private: bool) -> Path | None:
        """Replace the file's content, and keep its mode and owner.

        Args:
            text: the new text. A byte order mark stays.
            private: whether the text contains a secret: only the owner can read the file then (mode 0600).

        Returns:
            The backup of the former content; None if there was no file.

        Raises:
            ConfigFileError: the file or its folder cannot be written, or somebody else changed the file meanwhile.
        """
        return self._replace(self.encoded(text), private=private)

    def encoded(self, text: str) -> bytes:
        """Return the bytes of a new text of this file, with a byte order mark if the file has one."""
        mark = _BYTE_ORDER_MARK if (self.content or b"").startswith(_BYTE_ORDER_MARK) else b""
        return mark + text.encode()

    def back_up(self) -> Path | None:
        """Copy the content to a backup, or find one with this content.

        Returns:
            The backup; None if the file does not exist.

        Raises:
            ConfigFileError: it cannot be written.
        """
        try:
            return self._create_backup()
        except OSError as error:
            raise self._cannot_write(error) from None

    def restore(self, backup: Path) -> None:
        """Give the file the content of a backup, and delete the backup.

        Raises:
            ConfigFileError: as `write` does.
        """
        try:
            content = backup.read_bytes()
            self._replace(content, private=False, keep_backup=False)
            backup.unlink()
        except OSError as error:
            raise self._cannot_write(error) from None

    def delete(self) -> None:
        """Delete the file.

        Raises:
            ConfigFileError: it cannot be deleted, or somebody else changed it meanwhile.
        """
        self._require_writable()
        self._require_unchanged()
        try:
            self.target.unlink()
        except OSError as error:
            raise self._cannot_write(error) from None

    def backups(self) -> list[Path]:
        """Return the backups of this file that this program made, the newest first."""
        try:
            found = [path for path in self.target.parent.iterdir() if path.name.startswith(self._backup_name)]
        except OSError:
            return []
        return sorted((path for path in found if path.is_file()), reverse=True)

    @property
    def _backup_name(self) -> str:
        return f"{self.target.name}{_BACKUP}"

    def _replace(self, content: bytes, *, private: bool, keep_backup: bool = True) -> Path | None:
        self._require_writable()
        temporary: Path | None = None
        try:
            _create_folder(self.target.parent)
            temporary = self._create_temporary(content, private=private)
            self._require_unchanged()
            backup = self._create_backup() if keep_backup else None
            temporary.replace(self.target)
        except OSError as error:
            raise self._cannot_write(error) from None
        finally:
            if temporary is not None:
                temporary.unlink(missing_ok=True)
        _sync_folder(self.target.parent)
        return backup

    def _create_temporary(self, content: bytes, *, private: bool) -> Path:
        temporary = self.target.with_name(f".{self.target.name}.{os.getpid()}-{time.time_ns()}.tmp")
        # Of an existing file, only the owner can read the new one until it has the former mode.
        mode = _UMASK_DECIDES if self.status is None and not private else _PRIVATE
        kept = None if self.status is None else stat.S_IMODE(self.status.st_mode) & (~0o177 if private else ~0)
        self._create(temporary, content, mode, kept)
        return temporary

    def _create(self, path: Path, content: bytes, mode: int, final_mode: int | None) -> None:
        """Create a file beside the target, with the target's owner; nothing of it is left if that fails.

        Args:
            path: the file, which must not exist.
            content: its content.
            mode: with which it is created.
            final_mode: which it gets once it has its owner; None to keep `mode`.
        """
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0), mode)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                if os.name == "posix":
                    if (owner := self.status or _owner_of(path.parent)) is not None:
                        _keep_owner(file.fileno(), owner)
                    if final_mode is not None:
                        os.fchmod(file.fileno(), final_mode)
                os.fsync(file.fileno())
        except BaseException:
            path.unlink(missing_ok=True)
            raise

    def _create_backup(self) -> Path | None:
        """Copy the former content. Only the owner can read a backup, since it may contain secrets."""
        if self.content is None:
            return None
        if backup := next((path for path in self.backups() if _has_content(path, self.content)), None):
            return backup
        stamp = time.strftime("%Y%m%d-%H%M%S")
        for number in range(1, 1000):
            backup = self.target.with_name(f"{self._backup_name}{stamp}{f'-{number}' if number > 1 else ''}")
            with suppress(FileExistsError):
                self._create(backup, self.content, _PRIVATE, None)
                return backup
        raise ConfigFileError(f"{self.target} has too many backups beside it: delete some")

    def _require_writable(self) -> None:
        # Replacing a file does not need the permission to write it, but whoever made it read-only meant it.
        if self.status is not None and not self.status.st_mode & 0o222:
            raise ConfigFileError(f"{self.target} is read-only: make it writable, and run the command again")

    def _require_unchanged(self) -> None:
        content, _ = _content(self.target)
        if content != self.content:
            raise ConfigFileError(
                f"{self.target} was changed by another program meanwhile: run the command again (if it happens again, "
                "quit the host first)"
            )

    def _cannot_write(self, error: OSError) -> ConfigFileError:
        what = Path(error.filename).parent if isinstance(error.filename, str) else self.target.parent
        if error.errno in _FULL:
            advice = "free some space"
        else:
            advice = "quit the host, and run the command again" if os.name == "nt" else "check its permissions"
        return ConfigFileError(f"{self.target} cannot be written: {error.strerror} ({what}); {advice}")


def _content(target: Path) -> tuple[bytes | None, os.stat_result | None]:
    """Return what a regular file contains, and its status; None and None if there is none.

    Raises:
        ConfigFileError: it is not a regular file, or too large.
        OSError: it cannot be read.
    """
    try:
        status = target.stat()
    except FileNotFoundError:
        return None, None
    if not stat.S_ISREG(status.st_mode):
        raise ConfigFileError(f"{target} is not a regular file")
    if status.st_size > MAX_BYTES:
        raise ConfigFileError(f"{target} is larger than {MAX_BYTES} bytes")
    return target.read_bytes(), status


def _has_content(path: Path, content: bytes) -> bool:
    try:
        return path.stat().st_size == len(content) and path.read_bytes() == content
    except OSError:
        return False


def _create_folder(folder: Path) -> None:
    """Create a folder, and those above it, for the user whose folder they are in."""
    if folder.is_dir():
        return
    _create_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    if (owner := _owner_of(folder.parent)) is not None:
        os.chown(folder, owner.st_uid, owner.st_gid)


def _owner_of(folder: Path) -> os.stat_result | None:
    """Return the status of a folder whose owner must own what is created in it: of a user's, if this is `sudo`."""
    if os.name != "posix" or os.geteuid() != 0:
        return None
    status = folder.stat()
    return status if status.st_uid != 0 else None


def _keep_owner(descriptor: int, status: os.stat_result) -> None:
    """Give a new file the owner and group of the former one, as `sudo` requires.

    Raises:
        OSError: it belonged to another user, whose file this would no longer be.
    """
    current = os.fstat(descriptor)
    if (current.st_uid, current.st_gid) == (status.st_uid, status.st_gid):
        return
    try:
        os.fchown(descriptor, status.st_uid, status.st_gid)
    except OSError:
        if current.st_uid != status.st_uid:
            raise


def _sync_folder(folder: Path) -> None:
    """Make the replacement itself durable. Not every file system can; Windows opens no folders."""
    if os.name != "posix":
        return
    with suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
