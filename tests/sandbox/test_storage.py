"""The sandbox's data file: it survives a restart and a crash, and an invalid file is rejected."""

from __future__ import annotations

import json
import os
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from customerio_track_mcp.sandbox import DataFileError, run_sandbox
from customerio_track_mcp.sandbox.bounds import MAX_FILE_BYTES, MAX_RECORD_BYTES
from customerio_track_mcp.sandbox.records import Change
from customerio_track_mcp.sandbox.storage import Storage, reason_of
from tests.support.sandbox_state import AUTH, send_requests, state_of

PERSON: dict[str, object] = {"cio_id": "03000001", "id": "1", "email": None, "attributes": {}}
EVENT = {"name": "bought", "type": "event", "person": "03000001", "timestamp": 1, "data": {}, "id": None}
CALL = {
    "id": "1",
    "at": 1.0,
    "seconds": 0.1,
    "tool": "send_event",
    "arguments": {},
    "result": None,
    "is_error": False,
    "outcome": "ok",
}
REQUEST = {"at": 1.0, "method": "PUT", "path": "/", "body": None, "attempt": 1, "status": 200, "fault": None}


async def test_restart_restores_the_state(tmp_path: Path) -> None:
    file = tmp_path / "sandbox.db"
    async with run_sandbox(data=file) as sandbox:
        sandbox.record_call(CALL)
        before = await send_requests(sandbox.url)
    async with run_sandbox(data=file) as sandbox, httpx.AsyncClient(base_url=sandbox.url, auth=AUTH) as http:
        assert await state_of(http) == before
        assert [call["number"] for call in before["calls"]] == [1]
        assert before["stored"] is True
        # Identifiers, numbers and event ids continue from the restored state.
        await http.put("/api/v1/customers/ANN@example.com", json={"seats": 3})
        await http.put("/api/v1/customers/2", json={})
        await http.post("/api/v1/customers/1/events", json={"name": "bought", "id": "01ARZ3NDEKTSV4RRFFQ69G5FAV"})
        after = await state_of(http)
    assert [person["cio_id"] for person in after["people"]] == ["03000001", "03000002"]
    assert after["people"][0]["attributes"] == {"plan": "free", "seats": 3}
    assert len(after["events"]) == 1
    assert [dropped["number"] for dropped in after["dropped"]] == [1]
    assert (after["request_log"][-1]["event"], after["request_log"][-1]["is_repeat"]) == (1, True)
    assert [entry["number"] for entry in after["request_log"]] == list(range(1, 8))


async def test_reset_deletes_the_records_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "sandbox.db"
    async with run_sandbox(data=file) as sandbox, httpx.AsyncClient(base_url=sandbox.url, auth=AUTH) as http:
        sandbox.record_call(CALL)
        await send_requests(sandbox.url)
        await http.post("/_sandbox/reset")
    async with run_sandbox(data=file) as sandbox, httpx.AsyncClient(base_url=sandbox.url) as http:
        state = await state_of(http)
    assert (state["people"], state["events"], state["dropped"], state["requests"]) == ([], [], [], 0)
    assert (state["request_log"], state["calls"]) == ([], [])
    assert [len(segment["members"]) for segment in state["segments"]] == [0, 0, 0]


@pytest.mark.parametrize(
    "content", [b"hello, this is not a database file" * 100, b"SQLite format 3\x00" + b"\x01" * 600]
)
async def test_other_file_is_rejected_and_not_changed(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "letter.txt"
    file.write_bytes(content)
    with pytest.raises(DataFileError, match=r"letter\.txt"):
        Storage(file)
    assert file.read_bytes() == content


def test_database_of_another_program_is_rejected(tmp_path: Path) -> None:
    file = tmp_path / "other.db"
    other = sqlite3.connect(file)
    other.execute("CREATE TABLE letters (text)")
    other.close()
    with pytest.raises(DataFileError, match="not written by this version"):
        Storage(file)


def test_file_of_a_newer_version_is_rejected(tmp_path: Path) -> None:
    file = tmp_path / "sandbox.db"
    with Storage(file):
        pass
    newer = sqlite3.connect(file)
    newer.execute("PRAGMA user_version = 3")
    newer.close()
    with pytest.raises(DataFileError):
        Storage(file)


async def test_file_of_version_1_is_opened_and_upgraded(tmp_path: Path) -> None:
    file = tmp_path / "sandbox.db"
    with Storage(file) as storage:
        storage.save(Change("person", "03000001", PERSON))
        storage.save(Change("event", "1", EVENT | {"id": "01ARZ3NDEKTSV4RRFFQ69G5FAV"}))
        storage.save(Change("request", "1", REQUEST))
        storage.save(Change("request", "2", REQUEST | {"status": None, "fault": "reset"}))
    with closing(sqlite3.connect(file)) as db:
        db.execute("PRAGMA user_version = 1")
    async with run_sandbox(data=file) as sandbox, httpx.AsyncClient(base_url=sandbox.url, auth=AUTH) as http:
        event = {"name": "bought", "id": "01ARZ3NDEKTSV4RRFFQ69G5FAV"}
        await http.post("/api/v1/customers/1/events", json=event)
        state = await state_of(http)
    old, reset, new = state["request_log"]
    assert (old["status"], old["seconds"], old["headers"], old["event"]) == (200, None, [], None)
    assert (reset["status"], reset["seconds"]) == (None, 0.0)
    assert (new["status"], new["event"], new["is_repeat"]) == (200, 1, True)
    with closing(sqlite3.connect(file)) as db:
        assert db.execute("PRAGMA user_version").fetchone() == (2,)


async def test_invalid_record_is_reported(tmp_path: Path) -> None:
    file = tmp_path / "sandbox.db"
    with Storage(file) as storage:
        storage.save(Change("person", "03000001", {"cio_id": "03000001", "phone": 1}))
    with pytest.raises(DataFileError, match="contains an invalid record"):
        async with run_sandbox(data=file):
            pass


async def test_two_sandboxes_cannot_use_the_same_file(tmp_path: Path) -> None:
    file = tmp_path / "sandbox.db"
    async with run_sandbox(data=file) as sandbox:
        before = await send_requests(sandbox.url)
        with pytest.raises(DataFileError, match="in use by another sandbox"):
            async with run_sandbox(data=file):
                pass
    async with run_sandbox(data=file) as sandbox, httpx.AsyncClient(base_url=sandbox.url) as http:
        assert await state_of(http) == before


async def test_sandbox_continues_in_memory_if_the_file_cannot_be_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def disk_full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    async with run_sandbox(data=tmp_path / "sandbox.db") as sandbox:
        monkeypatch.setattr(Storage, "save", disk_full)
        state = await send_requests(sandbox.url)
    assert state["stored"] is False
    assert len(state["events"]) == 1
    assert caplog.text.count("from now on its state is in memory alone") == 1


async def test_reset_that_cannot_be_saved_continues_in_memory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def disk_full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    async with run_sandbox(data=tmp_path / "sandbox.db") as sandbox:
        await send_requests(sandbox.url)
        monkeypatch.setattr(Storage, "clear", disk_full)
        async with httpx.AsyncClient(base_url=sandbox.url, trust_env=False) as http:
            assert (await http.post("/_sandbox/reset")).status_code == 200
            state = await state_of(http)
    assert (state["stored"], state["people"], state["events"]) == (False, [], [])
    assert caplog.text.count("from now on its state is in memory alone") == 1


def test_truncated_file_is_rejected(tmp_path: Path) -> None:
    file = tmp_path / "sandbox.db"
    with Storage(file) as storage:
        for number in range(2000):
            storage.save(Change("event", str(number), {"name": "x" * 100}))
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])
    with pytest.raises(DataFileError):
        Storage(file)


@pytest.mark.skipif(os.name != "posix", reason="POSIX modes")
@pytest.mark.parametrize("umask", [0o000, 0o022, 0o277])
async def test_new_file_and_sqlites_files_next_to_it_are_for_the_owner_alone(tmp_path: Path, umask: int) -> None:
    def modes() -> dict[str, int]:
        return {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir() if path.exists()}

    (tmp_path / "link.db").symlink_to(tmp_path / "target.db")
    previous = os.umask(umask)
    try:
        for name in ("sandbox.db", "link.db"):
            async with run_sandbox(data=tmp_path / name) as sandbox:
                await send_requests(sandbox.url)
                assert len(modes()) > 1
                assert set(modes().values()) == {0o600}
    finally:
        os.umask(previous)


@pytest.mark.skipif(os.name != "posix", reason="POSIX modes")
@pytest.mark.parametrize(("mode", "warnings"), [(0o600, 0), (0o640, 1), (0o604, 1)])
def test_mode_of_an_existing_file_is_kept_and_reported(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, mode: int, warnings: int
) -> None:
    file = tmp_path / "sandbox.db"
    with Storage(file):
        pass
    file.chmod(mode)
    with Storage(file):
        pass
    assert stat.S_IMODE(file.stat().st_mode) == mode
    assert caplog.text.count(f"(mode {mode:04o}): run chmod 600 on {file}") == warnings


@pytest.mark.parametrize(
    ("kind", "key", "number", "content"),
    [
        ("person", "03000001", 0, "{"),
        ("person", "03000001", 0, "[]"),
        ("person", "03000001", 0, "null"),
        ("person", "03000001", 0, '{"a": NaN}'),
        ("person", "03000001", 0, '{"a":' * 100_000 + "1" + "}" * 100_000),
        ("person", "03000001", 0, b"\xff\xfe"),
        ("person", "03000001", 0, json.dumps(PERSON)[:-1] + "\x00}"),
        ("person", "03000001", 0, json.dumps(PERSON | {"id": "\ud800"})),
        ("person", "03000001", 0, json.dumps(PERSON | {"id": "x" * MAX_RECORD_BYTES})),
        ("person", "03000001", 0, json.dumps(PERSON | {"attributes": []})),
        ("person", "03000001", 0, json.dumps(PERSON | {"id": 1})),
        ("person", "03000001", 0, json.dumps({"cio_id": "03000001"} | {"attributes": None})),
        ("person", "03000002", 0, json.dumps(PERSON)),
        ("person", "03000001", 5, json.dumps(PERSON)),
        ("person", None, 0, json.dumps(PERSON)),
        ("person", b"03000001", 0, json.dumps(PERSON)),
        ("event", "1", 1, json.dumps(EVENT | {"data": "text"})),
        ("event", "1", 1, json.dumps(EVENT | {"timestamp": "yesterday"})),
        ("event", "1", 1, json.dumps({"name": "bought"})),
        ("event", "1", 2, json.dumps(EVENT)),
        ("event", "-1", -1, json.dumps(EVENT)),
        ("event", "01", 1, json.dumps(EVENT)),
        ("event", "9" * 5000, 1, json.dumps(EVENT)),
        ("event", str(2**62), 2**62, json.dumps(EVENT)),
        ("segment", "1", 0, '{"id": 1, "name": "Beta testers", "kind": "manual", "members": [[]]}'),
        ("segment", "1", 0, '{"id": 1, "name": "Beta testers", "kind": "manual", "members": "abc"}'),
        ("segment", "1", 0, '{"id": 1, "name": "Beta testers", "kind": "other", "members": []}'),
        ("segment", "9", 0, '{"id": 8, "name": "Others", "kind": "manual", "members": []}'),
        ("dropped", "1", 1, '{"operation": "track"}'),
        ("request", "1", 1, json.dumps(REQUEST | {"status": "ok"})),
        ("request", "1", 1, json.dumps(REQUEST | {"body": {}})),
        ("request", "1", 1, json.dumps(REQUEST | {"headers": [["Host"]]})),
        ("request", "1", 1, json.dumps(REQUEST | {"drops": "1"})),
        ("request", "1", 1, json.dumps(REQUEST | {"letter": "a"})),
        ("call", "1", 1, json.dumps(CALL | {"id": "\n"})),
        ("call", "1", 1, json.dumps(CALL | {"result": []})),
        ("call", "1", 1, json.dumps(CALL | {"at": "nan"})),
        ("call", "a", 1, json.dumps(CALL)),
        ("letter", "1", 0, "{}"),
    ],
)
async def test_tampered_record_is_reported_in_one_line_that_says_what_to_do(
    tmp_path: Path, kind: str, key: object, number: int, content: str | bytes
) -> None:
    file = tmp_path / "sandbox.db"
    with Storage(file):
        pass
    with closing(sqlite3.connect(file)) as db:
        value = f"CAST(x'{content.hex()}' AS TEXT)" if isinstance(content, bytes) else "?"
        values = (kind, key, number) if isinstance(content, bytes) else (kind, key, number, content)
        db.execute(f"INSERT INTO record VALUES (?, ?, ?, {value})", values)  # noqa: S608 - SQLite cannot bind this text
        db.commit()
    with pytest.raises(DataFileError, match=r"restore a copy of it, or delete it to start empty$") as raised:
        async with run_sandbox(data=file):
            pass
    assert len(str(raised.value)) < 500 + len(str(file))
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    "statement",
    [
        "CREATE TRIGGER again AFTER INSERT ON record BEGIN INSERT INTO record VALUES ('x', 'x', 0, '{}'); END",
        "DROP TABLE record; CREATE VIEW record AS WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) "
        "SELECT 'event' AS kind, i AS key, i AS number, '{}' AS json FROM n",
        "DROP INDEX record_number",
        "ALTER TABLE record ADD COLUMN more TEXT",
        "CREATE TABLE other (text)",
    ],
)
def test_file_with_another_schema_is_rejected(tmp_path: Path, statement: str) -> None:
    file = tmp_path / "sandbox.db"
    with Storage(file):
        pass
    with closing(sqlite3.connect(file)) as db:
        db.executescript(statement)
    with pytest.raises(DataFileError, match="not written by this version"):
        Storage(file)


def test_huge_file_is_rejected_before_it_is_read(tmp_path: Path) -> None:
    file = tmp_path / "sandbox.db"
    with Storage(file):
        pass
    os.truncate(file, MAX_FILE_BYTES + 1)
    with pytest.raises(DataFileError, match="larger than 512 MiB"):
        Storage(file)


@pytest.mark.skipif(os.name != "posix", reason="POSIX files")
def test_what_is_not_a_regular_file_is_rejected(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "fifo")
    for path in (tmp_path, tmp_path / "fifo", Path(os.devnull)):
        with pytest.raises(DataFileError, match="not a regular file"):
            Storage(path)


def test_missing_folder_is_reported(tmp_path: Path) -> None:
    with pytest.raises(DataFileError, match="its folder does not exist; create that first"):
        Storage(tmp_path / "no" / "sandbox.db")
    (tmp_path / "file").touch()
    with pytest.raises(DataFileError, match=r"not a folder|does not exist"):  # Windows has one error
        Storage(tmp_path / "file" / "sandbox.db")


@pytest.mark.skipif(os.name != "posix", reason="Windows locks open files")
async def test_truncated_write_ahead_log_loses_only_its_last_records(tmp_path: Path) -> None:
    """SQLite's checksums find the record that a crash cut off; the others are complete."""
    file, copy = tmp_path / "sandbox.db", tmp_path / "copy.db"
    async with run_sandbox(data=file) as sandbox:
        await send_requests(sandbox.url)
        copy.write_bytes(file.read_bytes())
        log = file.with_name("sandbox.db-wal").read_bytes()
        copy.with_name("copy.db-wal").write_bytes(log[: len(log) - 100])
    async with run_sandbox(data=copy) as sandbox, httpx.AsyncClient(base_url=sandbox.url) as http:
        state = await state_of(http)
    assert len(state["people"]) == 1
    assert state["requests"] < 4


def full_disk() -> sqlite3.Error:
    """Return the error of SQLite for a database that cannot grow."""
    with closing(sqlite3.connect(":memory:")) as db:
        db.execute("PRAGMA max_page_count = 1")
        with pytest.raises(sqlite3.OperationalError) as raised:
            db.execute("CREATE TABLE letters (text)")
    return raised.value


def test_full_disk_is_named() -> None:
    assert reason_of(full_disk()).startswith("the disk is full; free some space")


async def test_open_pages_show_that_the_state_is_no_longer_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    error = full_disk()

    def fail(*_: object) -> None:
        raise error

    file = tmp_path / "sandbox.db"
    async with run_sandbox(data=file) as sandbox, httpx.AsyncClient(base_url=sandbox.url, auth=AUTH) as http:
        monkeypatch.setattr(Storage, "save", fail)
        async with http.stream("GET", "/_sandbox/changes") as stream:
            chunks = stream.aiter_text()
            assert '"stored":true' in await anext(chunks)
            await http.put("/api/v1/customers/1", json={})
            assert [
                chunk async for chunk in chunks if "event: state" in chunk
            ] == []  # it ends, and the page reconnects
        assert (await state_of(http))["stored"] is False
    assert f"{file}: the disk is full; free some space, or pass a file on another disk" in caplog.text
