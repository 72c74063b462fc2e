"""Entries of a host's configuration, and how a change of one is shown."""

from __future__ import annotations

from typing import Any

import pytest

from customerio_track_mcp.hosts.diff import masked_diff
from customerio_track_mcp.hosts.entries import Entry, runs_this_program


@pytest.mark.parametrize(
    "entry",
    [
        {"command": "customerio-track-mcp"},
        {"command": "/opt/a b/bin/customerio-track-mcp", "args": ["--sandbox"]},
        {"command": "C:\\Program Files\\x\\customerio-track-mcp.EXE", "args": []},
        {"command": "uvx", "args": ["customerio-track-mcp@latest"]},
        {"command": "uvx", "args": ["--from", "/home/ann/customerio-track-mcp", "customerio-track-mcp"]},
        {"command": "uv", "args": ["run", "--with", "customerio-track-mcp[keyring]>=1", "x"]},
        {"command": "python3", "args": ["-m", "customerio_track_mcp"]},
        {"command": "docker", "args": ["run", "-i", "ghcr.io/ann/customerio-track-mcp:1.0"]},
    ],
)
def test_an_entry_that_runs_this_program_is_recognized(entry: dict[str, Any]) -> None:
    assert runs_this_program(entry)


@pytest.mark.parametrize(
    "entry",
    [
        None,
        3,
        [],
        {},
        {"command": None, "args": "customerio-track-mcp"},
        {"command": "customerio-mcp"},
        {"command": "/opt/customerio-track-mcp/bin/other", "args": ["--sandbox", 3]},
        {"url": "https://mcp.example.com/customerio-track-mcp"},
        {"command": "npx", "args": ["customerio-track-mcp-other"]},
    ],
)
def test_another_entry_is_not(entry: object) -> None:
    assert not runs_this_program(entry)


def test_an_entry_does_not_show_its_values() -> None:
    entry = Entry("/x", (), {"KEY": "4d5e", "REGION": "US"}, frozenset({"KEY"}))
    assert entry.contains_secret
    assert entry.shown_strings() == {"/x", "US"}
    assert "4d5e" not in repr(entry)


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ('"KEY": "secret"', '"KEY": "********"'),
        ('{"a":{"KEY":"secret \\" more"},"b":"public"}', '{"a":{"KEY":"********"},"b":"public"}'),
        ('args = ["-k", "secret", "public"] # a secret', 'args = ["********", "********", "public"] # ********'),
        ("KEY = 'secret'", "KEY = '********'"),
        ('// "KEY": "secret', "// ********"),
        (
            '{"a": "https://secret" /* secret */, "b": "#secret"} // don\'t',
            '{"a": "********" /* *********/, "b": "********"} // ********',
        ),
        ('"a\u2028secret"', '"********"'),
        ('"secret"', '"********"'),
        ('"C:\\\\a"', '"C:\\\\a"'),
    ],
)
def test_every_string_that_is_not_known_to_be_public_is_masked(line: str, expected: str) -> None:
    shown = masked_diff("f", f"{line}\n", f"{line}\nnew = 1\n", {"public", "C:\\a"})
    assert shown[3:] == [f" {expected}", "+new = 1"]


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize(
    ("opening", "closing", "shown"),
    [
        ('a = """', '"""', ['a = """', "********", "********", '"""']),
        ("a = '''", "'''", ["a = '''", "********", "********", "'''"]),
        ("/*", "*/", ["/* ", "********", "********", "*/"]),
    ],
)
def test_every_line_of_a_string_or_comment_is_masked(
    opening: str, closing: str, shown: list[str], line_end: str
) -> None:
    lines = [opening, "a secret", 'the "secret"', closing]
    before = line_end.join([*lines, ""])
    # The first line changes, so that each of the others is shown as context, or as removed.
    added = masked_diff("f", before, f"{before}new = 1{line_end}", set())
    removed = masked_diff("f", f"x = 1{line_end}{before}", f"x = 1{line_end}", set())
    assert added[3:] == [*(f" {line}" for line in shown[2:]), "+new = 1"]
    assert removed[3:] == [" x = 1", *(f"-{line}" for line in shown)]
