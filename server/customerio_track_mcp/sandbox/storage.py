"""The sandbox's data file: SQLite, so that a crash leaves complete records."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from customerio_track_mcp.sandbox.records import Change, Kind

_APPLICATION_ID: Final = 0x63696F73  # "cios": distinguishes the sandbox's files from other SQLite databases
_VERSION: Final = 1
_NUMBERED: Final = ("event", "dropped", "request")


class DataFileError(Exception):
    """The file cannot be opened, or is not a valid data file of the sandbox."""


class Storage:
    """The records in a data file. Each is saved in its own transaction.

    Args:
        path: the file. It is created if it does not exist.

    Attributes:
        path: the file.

    Raises:
        DataFileError: the file cannot be opened, or is not a valid data file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._db = sqlite3.connect(path, isolation_level=None, timeout=0)
        except sqlite3.OperationalError as error:
            raise DataFileError(f"{path}: {error}") from None
        try:
            self._open()
            self._loaded = self._read()
        except (sqlite3.Error, ValueError):
            self._db.close()
            raise DataFileError(
                f"{path} cannot be used: it is damaged, in use by another sandbox, or not written by this version of "
                "the sandbox"
            ) from None

    def _open(self) -> None:
        (tables,) = self._db.execute("SELECT count(*) FROM sqlite_master").fetchone()
        (application_id,) = self._db.execute("PRAGMA application_id").fetchone()
        (version,) = self._db.execute("PRAGMA user_version").fetchone()
        if tables and (application_id, version) != (_APPLICATION_ID, _VERSION):
            raise sqlite3.DatabaseError
        # Two sandboxes would assign the same cio_ids and overwrite each other's records.
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
        query = "SELECT kind, key, json FROM record ORDER BY number, rowid"
        return [Change(kind, key, json.loads(text)) for kind, key, text in self._db.execute(query)]

    def load(self) -> list[Change]:
        """Return every record of the file as it was opened: people and segments first, then the others by number."""
        loaded, self._loaded = self._loaded, []
        return loaded

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
