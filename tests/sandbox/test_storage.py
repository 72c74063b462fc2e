"""The sandbox's state in a file: it survives a restart and a crash, and is never read half."""

from __future__ import annotations

import signal
import sqlite3
from pathlib import Path
from typing import Any

import httpx
import pytest

from customerio_track_mcp.sandbox import DataFileError, run_sandbox
from customerio_track_mcp.sandbox.bounded_log import History
from customerio_track_mcp.sandbox.records import Change
from customerio_track_mcp.sandbox.storage import Storage
from tests.process import run, running, url_told

AUTH = ("sandbox", "sandbox")


async def use(url: str) -> dict[str, Any]:
    async with httpx.AsyncClient(base_url=url, auth=AUTH, trust_env=False) as http:
        await http.put("/api/v1/customers/1", json={"email": "ann@example.com", "plan": "pro"})
        await http.put("/api/v1/customers/1", json={"plan": "free"})
        await http.post("/api/v1/customers/1/events", json={"name": "bought", "id": "01ARZ3NDEKTSV4RRFFQ69G5FAV"})
        await http.post("/api/v1/segments/2/add_customers", json={"ids": ["1", "nobody"]})
        return await state_of(http)


async def state_of(http: httpx.AsyncClient) -> dict[str, Any]:
    state: dict[str, Any] = (await http.get("/_sandbox/state")).json()
    return state


async def test_a_restart_finds_everything_again(tmp_path: Path) -> None:
    file = tmp_path / "sandbox.db"
    async with run_sandbox(data=file) as sandbox:
        before = await use(sandbox.url)
    async with run_sandbox(data=file) as sandbox, httpx.AsyncClient(base_url=sandbox.url, auth=AUTH) as http:
        assert await state_of(http) == before
        assert before["stored"] is True
        # What is known goes on being known: identifiers, numbers, and which events were received.
        await http.put("/api/v1/customers/ANN@example.com", json={"seats": 3})
        await http.put("/api/v1/customers/2", json={})
        await http.post("/api/v1/customers/1/events", json={"name": "bought", "id": "01ARZ3NDEKTSV4RRFFQ69G5FAV"})
        after = await state_of(http)
    assert [person["cio_id"] for person in after["people"]] == ["03000001", "03000002"]
    assert after["people"][0]["attributes"] == {"plan": "free", "seats": 3}
    assert len(after["events"]) == 1
    assert [dropped["number"] for dropped in after["dropped"]] == [1, 2]
    assert [entry["number"] for entry in after["request_log"]] == list(range(1, 8))


async def test_a_reset_empties_the_file_too(tmp_path: Path) -> None:
    file = tmp_path / "sandbox.db"
    async with run_sandbox(data=file) as sandbox, httpx.AsyncClient(base_url=sandbox.url, auth=AUTH) as http:
        await use(sandbox.url)
        await http.post("/_sandbox/reset")
    async with run_sandbox(data=file) as sandbox, httpx.AsyncClient(base_url=sandbox.url) as http:
        state = await state_of(http)
    assert (state["people"], state["events"], state["dropped"], state["requests"]) == ([], [], [], 0)
    assert [len(segment["members"]) for segment in state["segments"]] == [0, 0, 0]


async def test_a_kill_leaves_what_was_confirmed(tmp_path: Path) -> None:
    file = tmp_path / "sandbox.db"
    with running("sandbox", "--port", "0", "--data", str(file)) as process:
        before = await use(url_told(process, "sandbox Track API at"))
        process.send_signal(signal.SIGKILL)
        process.wait()
    async with run_sandbox(data=file) as sandbox, httpx.AsyncClient(base_url=sandbox.url) as http:
        assert await state_of(http) == before


@pytest.mark.parametrize(
    "content", [b"hello, this is no database at all" * 100, b"SQLite format 3\x00" + b"\x01" * 600]
)
async def test_a_file_that_holds_something_else_is_refused_and_left_alone(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "letter.txt"
    file.write_bytes(content)
    with pytest.raises(DataFileError, match=r"letter\.txt"):
        Storage(file)
    assert file.read_bytes() == content


def test_another_programs_database_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "other.db"
    other = sqlite3.connect(file)
    other.execute("CREATE TABLE letters (text)")
    other.close()
    with pytest.raises(DataFileError, match="not written by one of this version"):
        Storage(file)


def test_a_newer_versions_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "sandbox.db"
    with Storage(file):
        pass
    newer = sqlite3.connect(file)
    newer.execute("PRAGMA user_version = 2")
    newer.close()
    with pytest.raises(DataFileError):
        Storage(file)


async def test_a_record_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    file = tmp_path / "sandbox.db"
    with Storage(file) as storage:
        storage.save(Change("person", "03000001", {"cio_id": "03000001", "phone": 1}))
    with pytest.raises(DataFileError, match="can't be read"):
        async with run_sandbox(data=file):
            pass


async def test_two_sandboxes_do_not_share_a_file(tmp_path: Path) -> None:
    file = tmp_path / "sandbox.db"
    async with run_sandbox(data=file) as sandbox:
        before = await use(sandbox.url)
        with pytest.raises(DataFileError, match="in use by another sandbox"):
            async with run_sandbox(data=file):
                pass
    async with run_sandbox(data=file) as sandbox, httpx.AsyncClient(base_url=sandbox.url) as http:
        assert await state_of(http) == before


async def test_a_file_that_can_no_longer_be_written_is_given_up_and_the_sandbox_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def disk_full(*_: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    async with run_sandbox(data=tmp_path / "sandbox.db") as sandbox:
        monkeypatch.setattr(Storage, "save", disk_full)
        state = await use(sandbox.url)
    assert state["stored"] is False
    assert len(state["events"]) == 1
    assert caplog.text.count("from now on its state is in memory alone") == 1


def test_a_truncated_file_is_refused_not_read_in_part(tmp_path: Path) -> None:
    file = tmp_path / "sandbox.db"
    with Storage(file) as storage:
        for number in range(2000):
            storage.save(Change("event", str(number), {"name": "x" * 100}))
    content = file.read_bytes()
    file.write_bytes(content[: len(content) // 2])
    with pytest.raises(DataFileError):
        Storage(file)


def test_a_file_that_cannot_be_opened_is_told_as_a_bad_option(tmp_path: Path) -> None:
    ended = run("sandbox", "--port", "0", "--data", str(tmp_path / "no" / "such" / "folder"))
    assert ended.returncode == 2
    assert "--data: " in ended.stderr
    assert "Traceback" not in ended.stderr


def test_a_history_keeps_the_newest_within_both_bounds() -> None:
    history: History[str] = History(most_items=3, most_bytes=10)
    assert [history.add(text, len(text)) for text in ("a", "b", "c", "d")] == [1, 2, 3, 4]
    assert (list(history.numbered()), history.oldest, history.total) == ([(2, "b"), (3, "c"), (4, "d")], 2, 4)
    history.add("x" * 9, 9)
    assert list(history) == ["d", "x" * 9]
    history.add("y" * 50, 50)
    assert list(history) == ["y" * 50]
    history.clear()
    assert (len(history), history.oldest, history.total) == (0, 1, 0)
