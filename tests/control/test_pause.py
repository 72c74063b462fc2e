"""While the pause file exists, nothing is sent."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

from customerio_track_mcp.control import pause
from customerio_track_mcp.control.call import Call
from customerio_track_mcp.control.chain import Send
from customerio_track_mcp.control.pause import Pause
from customerio_track_mcp.control.quotas.base import Unit
from customerio_track_mcp.control.quotas.control import Quotas
from customerio_track_mcp.control.quotas.local import LocalCounters
from customerio_track_mcp.control.write import Write
from customerio_track_mcp.sandbox import RunningSandbox
from customerio_track_mcp.settings.errors import SettingsError
from customerio_track_mcp.settings.server import Settings
from customerio_track_mcp.tools.handlers import ToolHandlers
from customerio_track_mcp.track import Receipt, TrackClient
from tests.support.http_service import TOOLS_LIST, call, message_in, payload_in, running_service
from tests.support.waiting import wait_until

EVENT: dict[str, Any] = {"customer_id": "1", "event_name": "bought"}
ADVICE = "Do not call again by yourself: ask the user, since only the operator can end the pause."
UNKNOWN = (
    "Nothing was sent. Whether the operator has paused this server cannot be determined ({}), so it counts as paused. "
)


def put(file: Path, content: bytes = b"") -> None:
    file.write_bytes(content)


def remove(file: Path) -> None:
    file.unlink(missing_ok=True)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "pause"


@pytest.fixture
def handlers(client: TrackClient, file: Path) -> ToolHandlers:
    return ToolHandlers(client, controls=[Pause(file)])


async def error_of(handlers: ToolHandlers) -> str:
    record = Call()
    output = await handlers.send_event(EVENT, record)
    if not output.success:
        assert record.record.outcome == "paused"
    return str(output.error or "")


async def test_every_tool_is_refused_while_the_file_exists(
    handlers: ToolHandlers, sandbox: RunningSandbox, file: Path
) -> None:
    calls = [
        (handlers.create_or_update_customer, {"customer_id": "1", "email": "ann@example.com"}),
        (handlers.send_event, EVENT),
        (handlers.add_customers_to_segment, {"segment_id": 1, "customer_ids": ["1"]}),
    ]
    for exists in (False, True, False):
        if exists:
            put(file)
        else:
            remove(file)
        for tool, arguments in calls:
            output = await tool(arguments)
            assert output.success is not exists
            if exists:
                assert output.error == f"Nothing was sent. The operator has paused this server. {ADVICE}"
    assert len(sandbox.workspace.events) == 2


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        (b"back at 14:00", "'back at 14:00'"),
        (b"\n  back at 14:00  \r\nAnn\n", "'back at 14:00'"),
        (b"\xef\xbb\xbfsince the import\n", "'since the import'"),
        ("Grüße".encode("latin-1"), "'Gr\N{REPLACEMENT CHARACTER}\N{REPLACEMENT CHARACTER}e'"),
        ("a\x1b[31m\u202eb".encode(), "'a\N{REPLACEMENT CHARACTER}[31m\N{REPLACEMENT CHARACTER}b'"),
        (b"x" * 200, f"'{'x' * 200}'"),
        (b"x" * 100_000, f"'{'x' * 199}…'"),
        ("😀".encode() * 1000, f"'{'😀' * 199}…'"),
        (b"", ""),
        (b" \n\t\n", ""),
    ],
    ids=lambda content: repr(content)[:20],
)
async def test_first_line_is_the_reason(handlers: ToolHandlers, file: Path, content: bytes, shown: str) -> None:
    put(file, content)
    reason = f": {shown}" if shown else ""
    assert await error_of(handlers) == f"Nothing was sent. The operator has paused this server{reason}. {ADVICE}"


def directory(file: Path) -> None:
    file.mkdir()


def dangling_link(file: Path) -> None:
    file.symlink_to(file.with_name("missing"))


def link_to_itself(file: Path) -> None:
    file.symlink_to(file)


def fifo(file: Path) -> None:
    os.mkfifo(file)


def link_to_a_fifo(file: Path) -> None:
    os.mkfifo(file.with_name("fifo"))
    file.symlink_to(file.with_name("fifo"))


def unreadable(file: Path) -> None:
    file.write_text("secret")
    file.chmod(0)


@pytest.mark.parametrize("create", [directory, dangling_link, link_to_itself, fifo, link_to_a_fifo, unreadable])
async def test_anything_at_the_path_pauses(handlers: ToolHandlers, file: Path, create: Any) -> None:
    create(file)
    assert (await error_of(handlers)).startswith("Nothing was sent. The operator has paused this server")


def link_to_a_file(file: Path) -> None:
    file.with_name("data").write_text("migration")
    file.symlink_to("data")


async def test_reason_behind_a_link_is_read(handlers: ToolHandlers, file: Path) -> None:
    """Kubernetes mounts the keys of a ConfigMap so."""
    link_to_a_file(file)
    assert "paused this server: 'migration'." in await error_of(handlers)


class UnreachableShareError(FileNotFoundError):
    """What Python raises on Windows if a network share is not reachable."""

    winerror = 53


@pytest.mark.parametrize(
    "failure", [PermissionError(13, "x"), NotADirectoryError(20, "x"), OSError(5, "x"), UnreachableShareError(2, "x")]
)
async def test_unknown_is_paused_and_logged_once(
    handlers: ToolHandlers,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    file: Path,
    failure: OSError,
) -> None:
    def fail(_: Path) -> os.stat_result:
        raise failure

    with monkeypatch.context() as patch:
        patch.setattr(Path, "lstat", fail)
        for _ in range(2):
            assert await error_of(handlers) == UNKNOWN.format(type(failure).__name__) + ADVICE
    assert await error_of(handlers) == ""
    assert [record.getMessage() for record in caplog.records] == [
        "pause file can't be checked: nothing is sent",
        "pause file can be checked again",
    ]
    assert str(file) not in caplog.text


@pytest.mark.parametrize("error", [2, 3])
async def test_missing_file_on_windows_does_not_pause(
    handlers: ToolHandlers, monkeypatch: pytest.MonkeyPatch, error: int
) -> None:
    class MissingError(FileNotFoundError):
        winerror = error

    def fail(_: Path) -> os.stat_result:
        raise MissingError(2, "x")

    monkeypatch.setattr(Path, "lstat", fail)
    assert await error_of(handlers) == ""


@pytest.mark.skipif(os.name == "posix" and os.geteuid() == 0, reason="root may look into every folder")
async def test_permission_that_is_missing_is_unknown(client: TrackClient, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir(mode=0)
    assert await error_of(ToolHandlers(client, controls=[Pause(folder / "pause")])) == (
        UNKNOWN.format("PermissionError") + ADVICE
    )


@contextmanager
def blocked_file_system(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Path]]:
    """Look-ups do not end before the block does. Yields what is being looked up."""
    released, looking = False, []

    def block(path: Path) -> os.stat_result:
        looking.append(path)
        while not released:
            time.sleep(0.001)
        raise FileNotFoundError

    with monkeypatch.context() as patch:
        patch.setattr(Path, "lstat", block)
        patch.setattr(pause, "CHECK_TIMEOUT", 0.05)
        try:
            yield looking
        finally:
            released = True


async def test_file_system_that_blocks_is_paused_without_more_threads(
    client: TrackClient, monkeypatch: pytest.MonkeyPatch, file: Path
) -> None:
    check, errors = Pause(file), []
    handlers = ToolHandlers(client, controls=[check])

    async def send() -> None:
        errors.append(await error_of(handlers))

    with blocked_file_system(monkeypatch) as looking:
        for _ in range(3):
            async with anyio.create_task_group() as tasks:  # the event loop runs meanwhile
                for _ in range(20):
                    tasks.start_soon(send)
        assert len(looking) == 1
        # Those after the first twenty were refused without waiting for the thread, too.
        assert check._thread._work_queue.qsize() < 20
    assert errors == [UNKNOWN.format("TimeoutError") + ADVICE] * 60

    async def ends() -> bool:
        return not await error_of(handlers)

    await wait_until(ends)


async def test_pause_that_begins_while_a_person_is_asked_stops_the_call(client: TrackClient, file: Path) -> None:
    class Ask:
        async def __call__(self, write: Write, call: Call, proceed: Send) -> Receipt | None:
            put(file)
            return await proceed(write, call)

    check, quotas = Pause(file), Quotas({Unit.EVENTS: 1}, LocalCounters({Unit.EVENTS: 1}))
    handlers = ToolHandlers(client, controls=[check, Ask(), quotas, check])
    assert "has paused" in await error_of(handlers)
    # The maximum has not been used up.
    remove(file)
    assert (await ToolHandlers(client, controls=[quotas]).send_event(EVENT)).success


async def test_pause_leaves_everything_but_writes_alone(sandbox: RunningSandbox, file: Path) -> None:
    put(file, b"import")
    async with running_service(sandbox.url, {"pause_file": str(file)}) as http:
        payload = payload_in(await http.post("/mcp", json=call()))
        assert "The operator has paused this server: 'import'." in payload["error"]
        assert len(message_in(await http.post("/mcp", json=TOOLS_LIST))["result"]["tools"]) == 3
        assert (await http.get("/readyz")).status_code == 200
        metrics = (await http.get("/metrics")).text
        assert 'customerio_track_mcp_tool_calls_total{outcome="paused",tool="send_event"} 1.0' in metrics
        remove(file)
        assert payload_in(await http.post("/mcp", json=call()))["success"]


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("pause", "expected the absolute path of a file, which need not exist"),
        ("./pause", "expected the absolute path of a file, which need not exist"),
        (" ", "expected the absolute path of a file, which need not exist"),
        ("/", "expected the absolute path of a file, which need not exist"),
        ("/tmp/a\0b", "expected the absolute path of a file, which need not exist"),
        ("/nonexistent/pause", "the folder of the file does not exist, or cannot be read"),
        ("/dev/null/pause", "the folder of the file does not exist, or cannot be read"),
        ("~nobody-of-this-name/pause", "its home directory is unknown"),
    ],
)
def test_invalid_path_is_reported(value: str, problem: str) -> None:
    with pytest.raises(SettingsError) as caught:
        Settings.from_environment(pause_file=value)
    assert caught.value.problems == [f"CUSTOMERIO_PAUSE_FILE: {problem}"]


def test_home_directory_is_expanded(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    assert Settings.from_environment(pause_file=" ~/pause ").pause_file == tmp_path / "pause"
    assert Settings.from_environment(pause_file=str(tmp_path / "x")).pause_file == tmp_path / "x"
