"""The sandbox's data file: it survives a restart and a crash, and an invalid file is rejected."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import httpx
import pytest

from customerio_track_mcp.sandbox import DataFileError, run_sandbox
from customerio_track_mcp.sandbox.records import Change
from customerio_track_mcp.sandbox.storage import Storage
from tests.support.sandbox_state import AUTH, send_requests, state_of


async def test_restart_restores_the_state(tmp_path: Path) -> None:
    file = tmp_path / "sandbox.db"
    async with run_sandbox(data=file) as sandbox:
        before = await send_requests(sandbox.url)
    async with run_sandbox(data=file) as sandbox, httpx.AsyncClient(base_url=sandbox.url, auth=AUTH) as http:
        assert await state_of(http) == before
        assert before["stored"] is True
        # Identifiers, numbers and event ids continue from the restored state.
        await http.put("/api/v1/customers/ANN@example.com", json={"seats": 3})
        await http.put("/api/v1/customers/2", json={})
        await http.post("/api/v1/customers/1/events", json={"name": "bought", "id": "01ARZ3NDEKTSV4RRFFQ69G5FAV"})
        after = await state_of(http)
    assert [person["cio_id"] for person in after["people"]] == ["03000001", "03000002"]
    assert after["people"][0]["attributes"] == {"plan": "free", "seats": 3}
    assert len(after["events"]) == 1
    assert [dropped["number"] for dropped in after["dropped"]] == [1, 2]
    assert [entry["number"] for entry in after["request_log"]] == list(range(1, 8))


async def test_reset_deletes_the_records_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "sandbox.db"
    async with run_sandbox(data=file) as sandbox, httpx.AsyncClient(base_url=sandbox.url, auth=AUTH) as http:
        await send_requests(sandbox.url)
        await http.post("/_sandbox/reset")
    async with run_sandbox(data=file) as sandbox, httpx.AsyncClient(base_url=sandbox.url) as http:
        state = await state_of(http)
    assert (state["people"], state["events"], state["dropped"], state["requests"]) == ([], [], [], 0)
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
    newer.execute("PRAGMA user_version = 2")
    newer.close()
    with pytest.raises(DataFileError):
        Storage(file)


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
