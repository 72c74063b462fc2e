"""The sandbox's data file: SQLite, so that a crash leaves complete records."""

from __future__ import annotations

import errno
import json
import logging
import os
import re
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from types import TracebackType
from typing import Final, Self, get_args

from customerio_track_mcp.sandbox.bounds import MAX_FILE_BYTES, MAX_RECORD_BYTES, MAX_RECORD_LEVELS
from customerio_track_mcp.sandbox.json_values import parse_object
from customerio_track_mcp.sandbox.records import Change, Kind

logger = logging.getLogger("customerio_track_mcp.sandbox")

_APPLICATION_ID: Final = 0x63696F73  # "cios": distinguishes the sandbox's files from other SQLite databases
_VERSION: Final = 2
"""Version 1 has no tool calls, and requests without their response, headers and effect."""
_READABLE_VERSIONS: Final = (1, _VERSION)
_NUMBERED: Final = ("event", "dropped", "request", "call")
_NUMBER: Final = re.compile(r"[1-9][0-9]{0,14}")
_SCHEMA: Final = (
    "CREATE TABLE IF NOT EXISTS record "
    "(kind TEXT, key TEXT, number INTEGER, json TEXT NOT NULL, PRIMARY KEY (kind, key))",
    "CREATE INDEX IF NOT EXISTS record_number ON record (kind, number)",
)
_START_EMPTY: Final = "restore a copy of it, or delete it to start empty"
_OTHER_FILE: Final = "pass another file, or one that does not exist yet"
_NOT_PERMITTED: Final = "this user is not permitted to {}; change its permissions, or pass another file"
_REASONS: Final = {
    sqlite3.SQLITE_FULL: "the disk is full; free some space, or pass a file on another disk",
    sqlite3.SQLITE_READONLY: "it is read-only; change its permissions, or pass a file that can be written",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened; pass a file in an existing folder that can be written",
    sqlite3.SQLITE_PERM: _NOT_PERMITTED.format("use it"),
    sqlite3.SQLITE_IOERR: "reading or writing failed; check the disk, its quota and the maximum size of files",
    sqlite3.SQLITE_BUSY: "it is in use by another sandbox; stop that one, or pass another file",
    sqlite3.SQLITE_NOTADB: f"it was not written by this version of the sandbox; {_OTHER_FILE}",
    sqlite3.SQLITE_CORRUPT: f"it is damaged; {_START_EMPTY}",
}
_OS_REASONS: Final = {
    errno.ENOSPC: _REASONS[sqlite3.SQLITE_FULL],
    errno.EDQUOT: "the disk quota is exceeded; free some space, or pass a file on another disk",
    errno.EROFS: "the disk is read-only; pass a file on a disk that can be written",
    errno.EACCES: _NOT_PERMITTED.format("create or read it"),
    errno.EPERM: _NOT_PERMITTED.format("create or read it"),
    errno.ENOENT: "its folder does not exist; create that first, or pass another file",
    errno.ENOTDIR: "a part of its path is not a folder; pass another file",
}


class DataFileError(Exception):
    """The file cannot be used. The text is one line: the file, the reason, and what to do."""


class Storage:
    """The records in a data file. Each is saved in its own transaction.

    Args:
        path: the file. If it does not exist, it is created, and only its owner may read and write it and SQLite's
            files next to it. The mode of an existing file is not changed; a warning is logged if others may read it.

    Attributes:
        path: the file.

    Raises:
        DataFileError: the file cannot be opened, or is not a valid data file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            _create_or_check(path)
            self._db = sqlite3.connect(path, isolation_level=None, timeout=0)
        except OSError as error:
            reason = _OS_REASONS.get(error.errno or 0, f"{error.strerror}; {_OTHER_FILE}")
            raise DataFileError(f"{path} cannot be used: {reason}") from None
        except sqlite3.Error as error:
            raise DataFileError(f"{path} cannot be used: {reason_of(error)}") from None
        try:
            self._open()
        except sqlite3.Error as error:
            self._db.close()
            raise DataFileError(f"{path} cannot be used: {reason_of(error)}") from None

    def _open(self) -> None:
        self._db.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, MAX_RECORD_BYTES)
        self._db.execute("PRAGMA trusted_schema = OFF")
        (application_id,) = self._db.execute("PRAGMA application_id").fetchone()
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        found = _schema(self._db)
        if found:
            with closing(sqlite3.connect(":memory:")) as empty:
                _create_tables(empty)
                # Views and triggers of a tampered file could run forever.
                is_own = application_id == _APPLICATION_ID and version in _READABLE_VERSIONS
                if not is_own or found != _schema(empty):
                    raise _error(sqlite3.SQLITE_NOTADB)
        # Two sandboxes would assign the same cio_ids and overwrite each other's records.
        self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
        self._db.execute(f"PRAGMA user_version = {_VERSION}")
        _create_tables(self._db)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._db.close()

    def load(self) -> Iterator[Change]:
        """Return every record of the file: people and segments first, then the others by number.

        Raises:
            DataFileError: the file is damaged, or a record is invalid.
        """
        try:
            rows = self._db.execute("SELECT kind, key, number, json FROM record ORDER BY number, rowid")
            while (row := rows.fetchone()) is not None:
                yield self._change(*row)
        except sqlite3.Error as error:
            raise DataFileError(f"{self.path} cannot be used: {reason_of(error)}") from None

    def invalid(self, kind: object, key: object, problem: str) -> DataFileError:
        """Return the error for an invalid record. The problem must not quote the record."""
        record = f"{str(kind)[:20]!r} {str(key)[:20]!r}"
        return DataFileError(f"{self.path} contains an invalid record ({record}: {problem}); {_START_EMPTY}")

    def _change(self, kind: Kind, key: object, number: object, text: object) -> Change:
        if kind not in get_args(Kind):
            raise self.invalid(kind, key, "the kind is unknown")
        expected = 0
        if kind in _NUMBERED:
            if not isinstance(key, str) or not _NUMBER.fullmatch(key):
                raise self.invalid(kind, key, "the key is not a number")
            expected = int(key)
        if not isinstance(key, str) or number != expected or not isinstance(text, str):
            raise self.invalid(kind, key, "a column has another type or value")
        try:
            return Change(kind, key, parse_object(text, MAX_RECORD_LEVELS))
        except ValueError as error:
            raise self.invalid(kind, key, str(error)) from None

    def save(self, change: Change) -> None:
        """Save a record, or replace the one with the same key.

        Raises:
            sqlite3.Error: the file cannot be written, for example because the disk is full.
        """
        number = int(change.key) if change.kind in _NUMBERED else 0
        self._db.execute(
            "INSERT INTO record VALUES (?, ?, ?, ?) ON CONFLICT (kind, key) DO UPDATE SET json = excluded.json",
            (change.kind, change.key, number, json.dumps(change.record, ensure_ascii=False)),
        )

    def delete_before(self, kind: Kind, number: int) -> None:
        """Delete the records of a kind whose number is below `number`."""
        self._db.execute("DELETE FROM record WHERE kind = ? AND number < ?", (kind, number))

    def clear(self) -> None:
        """Delete every record."""
        self._db.execute("DELETE FROM record")


def reason_of(error: sqlite3.Error) -> str:
    """Return why SQLite failed and what the operator can do."""
    code = getattr(error, "sqlite_errorcode", None)
    if code is None:  # raised by Python's module: a text that is not UTF-8
        return _REASONS[sqlite3.SQLITE_CORRUPT]
    if code == sqlite3.SQLITE_TOOBIG:
        return f"a record is larger than {MAX_RECORD_BYTES >> 20} MiB; {_START_EMPTY}"
    return _REASONS.get(code & 0xFF, f"{error}; {_OTHER_FILE}")


def _create_or_check(path: Path) -> None:
    """Create a file for its owner alone, or check the existing one.

    Raises:
        OSError: it cannot be created or opened.
        DataFileError: the existing one cannot be a data file.
    """
    # A symbolic link whose target does not exist yet would be followed by SQLite, which creates files with mode 0644.
    target = os.path.realpath(path)
    try:
        descriptor = os.open(target, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600)
    except FileExistsError:
        found = os.stat(target)  # noqa: PTH116 - as above
    else:
        try:
            if os.name == "posix":
                os.fchmod(descriptor, 0o600)  # whatever the umask; SQLite's other files get the same mode
        finally:
            os.close(descriptor)
        return
    if not stat.S_ISREG(found.st_mode):
        raise DataFileError(f"{path} cannot be used: it is not a regular file; {_OTHER_FILE}")
    if found.st_size > MAX_FILE_BYTES:
        raise DataFileError(
            f"{path} cannot be used: it is larger than {MAX_FILE_BYTES >> 20} MiB, the maximum; {_OTHER_FILE}"
        )
    if os.name == "posix":
        os.close(os.open(target, os.O_RDWR))  # says why it cannot be written, which SQLite does not
        if found.st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            logger.warning(
                "the sandbox's file may be used by other users (mode %04o): run chmod 600 on %s to prevent it",
                stat.S_IMODE(found.st_mode),
                path,
            )


def _create_tables(db: sqlite3.Connection) -> None:
    for statement in _SCHEMA:
        db.execute(statement)


def _schema(db: sqlite3.Connection) -> list[object]:
    return db.execute("SELECT type, name, sql FROM sqlite_master ORDER BY name").fetchall()


def _error(code: int) -> sqlite3.Error:
    error = sqlite3.DatabaseError()
    error.sqlite_errorcode = code
    return error
