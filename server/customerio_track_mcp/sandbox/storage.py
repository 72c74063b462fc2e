"""The sandbox's memory in a file, where it is asked for: SQLite, so that a crash leaves a whole state behind."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from customerio_track_mcp.sandbox.records import Change, Kind

_APPLICATION_ID: Final = 0x63696F73  # "cios": tells our files from other SQLite databases
_VERSION: Final = 1
_NUMBERED: Final = ("event", "dropped", "request")


class DataFileError(Exception):
    """The file can't be opened, or is not one that a sandbox has written."""


class Storage:
    """Records in a file. Each is saved in a transaction of its own.

    Args:
        path: the file; it is made where it does not exist.

    Raises:
        DataFileError: the file can't be opened, or holds something else.
    """

    def __init__(self, path: Path) -> None:
        try:
            self._db = sqlite3.connect(path, isolation_level=None, timeout=0)
        except sqlite3.OperationalError as error:
            raise DataFileError(f"{path}: {error}") from None
        try:
            self._open()
            self._stored = self._read()
        except (sqlite3.Error, ValueError):
            self._db.close()
            raise DataFileError(
                f"{path} can't be used: it is damaged, in use by another sandbox, or not written by one of this version"
            ) from None

    def _open(self) -> None:
        (tables,) = self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()
        (application_id,) = self._db.execute("PRAGMA application_id").fetchone()
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        if tables and (application_id, version) != (_APPLICATION_ID, _VERSION):
            raise sqlite3.DatabaseError
        # Held by one sandbox alone: two would hand out the same cio_ids and write over each other.
        self._db.execute("PRAGMA locking_mode = EXCLUSIVE")
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
        self._db.execute(f"PRAGMA user_version = {_VERSION}")
        self._db.execute(
            "CREATE TABLE IF NOT EXISTS record "
            "(kind TEXT, key TEXT, number INTEGER, json TEXT NOT NULL, PRIMARY KEY (kind, key))"
        )
        self._db.execute("CREATE INDEX IF NOT EXISTS record_number ON record (kind, number)")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._db.close()

    def _read(self) -> list[Change]:
        order = "SELECT kind, key, json FROM record ORDER BY number, rowid"
        return [Change(kind, key, json.loads(text)) for kind, key, text in self._db.execute(order)]

    def load(self) -> list[Change]:
        """Every record that the file held, people and segments first, numbered things in their order."""
        stored, self._stored = self._stored, []
        return stored

    def save(self, change: Change) -> None:
        """Save a record in the place of the one that had its key.

        Raises:
            sqlite3.Error: it can't be written; the disk is full, for one.
        """
        number = int(change.key) if change.kind in _NUMBERED else 0
        self._db.execute(
            "INSERT INTO record VALUES (?, ?, ?, ?) ON CONFLICT (kind, key) DO UPDATE SET json = excluded.json",
            (change.kind, change.key, number, json.dumps(change.record, ensure_ascii=False)),
        )

    def forget(self, kind: Kind, before: int) -> None:
        """Remove numbered records below a number."""
        self._db.execute("DELETE FROM record WHERE kind = ? AND number < ?", (kind, before))

    def clear(self) -> None:
        """Remove every record."""
        self._db.execute("DELETE FROM record")
