"""The command `log`: what it adds up, what it cannot read, and in which forms it prints it."""

from __future__ import annotations

import gzip
import io
import json
import os
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import pytest

from customerio_track_mcp.cli import log_summary
from customerio_track_mcp.cli.log_summary import MAX_LINE_BYTES, Summary
from customerio_track_mcp.cli.main import main
from customerio_track_mcp.instrumentation.calls import CallContext, CallRecord
from customerio_track_mcp.instrumentation.write_log import _fields, _line

EVENT: Final[dict[str, Any]] = {
    "time": "2026-01-31T12:00:00.000Z",
    "tool": "send_event",
    "outcome": "accepted",
    "person": "a",
    "people": 1,
    "event": "purchase",
}
SEGMENT: Final[dict[str, Any]] = {
    "time": "2026-01-31T12:00:00.000Z",
    "tool": "add_customers_to_segment",
    "outcome": "accepted",
    "people": 40,
    "segment": "7",
}
INVALID: Final = (
    "x",
    "[]",
    "null",
    "1",
    '"text"',
    "{}",
    '{"time":"2026-01-31T12:00:00Z"}',
    '{"time":"yesterday","tool":"send_event","outcome":"accepted"}',
    '{"time":"2026-01-31T12:00:00","tool":"send_event","outcome":"accepted"}',
    '{"time":"0001-01-01T00:00:00+14:00","tool":"send_event","outcome":"accepted"}',
    '{"time":"9999-12-31T23:59:59-14:00","tool":"send_event","outcome":"accepted"}',
    '{"time":"2026-01-31T12:00:00Z","tool":["send_event"],"outcome":"accepted"}',
    '{"time":"2026-01-31T12:00:00Z","tool":"send_event","outcome":"accepted","people":-1}',
    '{"time":"2026-01-31T12:00:00Z","tool":"send_event","outcome":"accepted","people":' + "9" * 5000 + "}",
    '{"time":"2026-01-31T12:00:00Z","tool":"send_event","outcome":"accepted","event":"' + "x" * 500 + '"}',
    '{"time":"2026-01-31T12:00:00Z","tool":"send_event","outcome":"acce',
    "[" * 10_000,
    "{" + " " * 3 * MAX_LINE_BYTES + "}",
    "\udcff\udcfe",
    "\0\0\0\0",
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "log"


def write(path: Path, *lines: Mapping[str, object] | str) -> None:
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    path.write_bytes("".join(f"{text}\n" for text in texts).encode("utf-8", "surrogateescape"))


def summary_of(capsys: pytest.CaptureFixture[str], *arguments: str | Path) -> dict[str, Any]:
    assert main(["log", *map(str, arguments), "--json"]) == 0
    summary: dict[str, Any] = json.loads(capsys.readouterr().out)
    return summary


def test_summary_for_people(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(
        path,
        EVENT,
        EVENT | {"time": "2026-01-31T14:00:00.500+01:00"},
        EVENT | {"person": "b"},
        EVENT | {"outcome": "refused", "code": "quota_exceeded", "person": "c"},
        SEGMENT,
        SEGMENT,
        EVENT | {"sandbox": True},
        {"time": "2026-01-31T15:00:00.000Z", "lost": 3},
        "half a li",
        "",
    )
    assert main(["log", str(path)]) == 0
    rows = [
        "TOOL                      EVENT OR SEGMENT  OUTCOME                   CALLS  PEOPLE  ",
        "add_customers_to_segment  7                 accepted                      2      80  ",
        "send_event                purchase          accepted                      3       2  ",
        "send_event                purchase          refused (quota_exceeded)      1       1  ",
        "send_event (sandbox)      purchase          accepted                      1       1  ",
    ]
    times = ["FIRST (UTC)       LAST (UTC)", *["2026-01-31 12:00  2026-01-31 12:00"] * 4]
    times[2] = "2026-01-31 12:00  2026-01-31 13:00"
    assert capsys.readouterr().out.splitlines() == [
        *map(str.__add__, rows, times),
        "",
        "7 calls (6 accepted, 1 refused) about 3 different people, and 80 additions to segments.",
        "3 more calls could not be recorded: the file could not be written.",
        "1 line could not be read.",
    ]


def test_summary_as_json(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(path, EVENT, EVENT | {"person": "b"}, "x", {"time": "2026-01-31T15:00:00.000Z", "lost": 3})
    assert summary_of(capsys, path) == {
        "since": None,
        "calls": 2,
        "people": 2,
        "people_is_minimum": False,
        "segment_additions": 0,
        "lost_calls": 3,
        "unreadable_lines": 1,
        "groups": [
            {
                "tool": "send_event",
                "event": "purchase",
                "segment": "",
                "outcome": "accepted",
                "code": "",
                "sandbox": False,
                "calls": 2,
                "people": 2,
                "people_is_minimum": False,
                "first": "2026-01-31T12:00:00Z",
                "last": "2026-01-31T12:00:00Z",
            }
        ],
    }


def test_what_the_server_writes_is_read(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    contexts = [
        CallContext("ok", person="1", people=1, event_name='a "b" \N{SNOWMAN}', event_id="i", client_name="\ud800\n"),
        CallContext("unavailable", people=1000, segment_id="1"),
        CallContext("not_allowed"),
    ]
    path.write_bytes(b"".join(_line(_fields(CallRecord("a_tool", 0.1, context), b"key")) for context in contexts))
    summary = summary_of(capsys, path)
    assert (summary["calls"], summary["unreadable_lines"]) == (3, 0)
    assert {group["event"] for group in summary["groups"]} == {"", 'a "b" \N{SNOWMAN}'}


@pytest.mark.parametrize("text", INVALID)
def test_unreadable_line_is_counted_and_the_next_one_is_read(
    path: Path, capsys: pytest.CaptureFixture[str], text: str
) -> None:
    write(path, EVENT, text, EVENT, text)
    summary = summary_of(capsys, path)
    assert (summary["calls"], summary["unreadable_lines"]) == (2, 2)
    assert main(["log", str(path)]) == 0
    assert "2 lines could not be read." in capsys.readouterr().out


def test_unreadable_bytes_and_a_last_line_without_an_end_are_counted(path: Path) -> None:
    path.write_bytes(os.urandom(100).replace(b"\n", b"") + b"\n" + json.dumps(EVENT).encode())
    summary = Summary()
    with path.open("rb") as file:
        summary.read(file)
    assert ([group.calls for group in summary.sorted_groups()], summary.unreadable) == ([1], 1)


@pytest.mark.parametrize(
    ("since", "ages"),
    [
        ("90m", [0, 89]),
        ("2h", [0, 89, 119]),
        ("1d", [0, 89, 119, 1439]),
        ("7d", [0, 89, 119, 1439, 1441]),
        ("0m", []),
        ("0001-01-01", [0, 89, 119, 1439, 1441, 20_000]),
        ("2999-01-01T00:00:00+02:00", []),
    ],
)
def test_since(path: Path, capsys: pytest.CaptureFixture[str], since: str, ages: list[int]) -> None:
    now = datetime.now(UTC)
    every_age = [0, 89, 119, 1439, 1441, 20_000]
    write(path, *(EVENT | {"time": str(now - timedelta(minutes=age)), "event": str(age)} for age in every_age))
    groups = summary_of(capsys, path, "--since", since)["groups"]
    assert sorted(int(group["event"]) for group in groups) == ages


def test_time_without_an_offset_is_utc(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(path, EVENT)
    for since, calls in [
        ("2026-01-31", 1),
        ("2026-01-31T12:00", 1),
        ("2026-01-31T12:01", 0),
        ("20260131T130001+0100", 0),
    ]:
        assert summary_of(capsys, path, "--since", since)["calls"] == calls
    assert main(["log", str(path), "--since", "2026-02-01"]) == 0
    assert capsys.readouterr().out == "No calls since 2026-02-01T00:00:00Z.\n"


@pytest.mark.parametrize(
    "since", ["", "x", "24", "h", "-1h", "1.5h", "24 h", "999999999d", "yesterday", "2026-13-01", "٣h"]
)
def test_invalid_since_is_a_usage_error(path: Path, capsys: pytest.CaptureFixture[str], since: str) -> None:
    with pytest.raises(SystemExit) as exit_:
        main(["log", str(path), f"--since={since}"])
    assert exit_.value.code == 2
    assert "expected a duration such as 90m, 24h or 7d, or a time such as" in capsys.readouterr().err


def test_file_that_cannot_be_read_is_reported_and_the_others_are_added_up(
    path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    write(path, EVENT)
    write(tmp_path / "log.1", EVENT)
    arguments = [str(path), str(tmp_path / "miss\x1bing"), str(tmp_path), str(tmp_path / "log.1")]
    assert main(["log", *arguments]) == 1
    captured = capsys.readouterr()
    assert "2 calls (2 accepted) about 1 person." in captured.out
    assert captured.err.splitlines() == [
        f"customerio-track-mcp: the write log {tmp_path}/miss\\x1bing cannot be read: No such file or directory",
        f"customerio-track-mcp: the write log {tmp_path} cannot be read: Is a directory",
    ]


def test_compressed_files_are_read(path: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(path, EVENT)
    content = gzip.compress(path.read_bytes())
    compressed, *broken = (tmp_path / f"log.{number}.gz" for number in range(4))
    compressed.write_bytes(content)
    assert summary_of(capsys, path, compressed)["calls"] == 2
    for file, damaged in zip(broken, (content[:-9], content[:2], content[:20] + b"\xff" * 20), strict=True):
        file.write_bytes(damaged)
        assert main(["log", str(file), str(compressed)]) == 1
        captured = capsys.readouterr()
        assert captured.err.startswith(f"customerio-track-mcp: the write log {file} cannot be read: ")
        assert " call" in captured.out


def test_standard_input(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write(path, EVENT)
    before = os.dup(0)
    with path.open("rb") as file:
        os.dup2(file.fileno(), 0)
    try:
        assert summary_of(capsys, "-")["calls"] == 1
    finally:
        os.dup2(before, 0)
        os.close(before)


def test_what_callers_sent_cannot_change_what_a_terminal_shows(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = ["\x1b[2J", "a\nFORGED  line", "\u202eevil", "\x9b31m", "x" * 300]
    write(path, *(EVENT | {"event": name, "tool": name, "outcome": name, "code": name} for name in names))
    assert main(["log", str(path)]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 1 + len(names) + 2
    assert all(line.isprintable() for line in lines)


def test_memory_is_bounded(monkeypatch: pytest.MonkeyPatch, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(log_summary, "MAX_PEOPLE", 8)
    monkeypatch.setattr(log_summary, "MAX_GROUPS", 3)
    write(path, *(EVENT | {"person": str(number), "event": str(number % 5)} for number in range(20)))
    summary = summary_of(capsys, path)
    assert [(group["tool"], group["calls"]) for group in summary["groups"]] == [
        ("(others)", 8),
        ("send_event", 4),
        ("send_event", 4),
        ("send_event", 4),
    ]
    assert summary["people_is_minimum"]
    assert summary["people"] == 4  # and as many in the groups
    assert main(["log", str(path)]) == 0
    output = capsys.readouterr().out
    assert "about at least 4 different people" in output
    assert ">=" in output
    assert "There are more kinds of calls than can be listed; the rest is under (others)." in output


def test_file_without_line_ends_is_read_in_parts() -> None:
    class Endless(io.RawIOBase):
        """A gigabyte without a line end would not fit; this counts how much is read at once."""

        largest = 0
        left = 100

        def readable(self) -> bool:
            return True

        def readline(self, size: int | None = -1, /) -> bytes:
            assert size is not None
            type(self).largest = max(self.largest, size)
            type(self).left -= 1
            return b"x" * size if self.left else b""

    summary = Summary()
    summary.read(Endless())  # type: ignore[arg-type]
    assert (Endless.largest, summary.unreadable) == (MAX_LINE_BYTES, 1)
