"""The sandbox's memory in a file, where it is asked for: SQLite, so that a crash leaves a whole state behind."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from customerio_track_mcp.sandbox.records import Change, Kind

_APPLICATION_ID: Final = 0x63696F73  # "cios": tells our files from other SQLite databases
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
            self._db = sqlite3.connect(path, isolation_level=None)
        except sqlite3.OperationalError as error:
            raise DataFileError(f"{path}: {error}") from None
        try:
            self._open()
        except sqlite3.DatabaseError:
            self._db.close()
            raise DataFileError(f"{path} was not written by a sandbox, or is in use by another") from None

    def _open(self) -> None:
        (tables,) = self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()
        (application_id,) = self._db.execute("PRAGMA application_id").fetchone()
        if tables and application_id != _APPLICATION_ID:
            raise sqlite3.DatabaseError
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = NORMAL")
        self._db.execute(f"PRAGMA application_id = {_APPLICATION_ID}")
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

    def load(self) -> Iterator[Change]:
        """Every record, people and segments first, numbered things in their order."""
        order = "SELECT kind, key, json FROM record ORDER BY number, rowid"
        return (Change(kind, key, json.loads(text)) for kind, key, text in self._db.execute(order))

    def save(self, change: Change) -> None:
        """Save a record in the place of the one that had its key."""
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
