"""Entries of a host's configuration, and how a change of one is shown."""

from __future__ import annotations

from typing import Any

import pytest

from customerio_track_mcp.hosts.diff import masked_diff
from customerio_track_mcp.hosts.entries import Entry, runs_this_program, sandbox_of, shown_sandbox


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


URL = "http://127.0.0.1:9000"


@pytest.mark.parametrize(
    ("fields", "sandbox"),
    [
        ({}, False),
        ({"args": ["stdio"]}, False),
        ({"args": ["--sandbox"]}, True),
        ({"args": ["--sandbox", "--open"]}, True),
        ({"args": ["stdio", "--sandbox", URL]}, URL),
        ({"args": [f"--sandbox={URL}"]}, URL),
        ({"args": ["--sandbox="]}, True),
        ({"args": ["--sandboxes", 3, None]}, False),
        ({"args": "--sandbox"}, False),
        ({"env": {"CUSTOMERIO_SANDBOX": "true"}}, True),
        ({"env": {"CUSTOMERIO_SANDBOX": " True "}}, True),
        ({"env": {"CUSTOMERIO_SANDBOX": "1"}}, True),
        ({"env": {"CUSTOMERIO_SANDBOX": True}}, True),
        ({"env": {"CUSTOMERIO_SANDBOX": "false"}}, False),
        ({"env": {"CUSTOMERIO_SANDBOX": ""}}, False),
        ({"env": {"CUSTOMERIO_SANDBOX": "${user_config.sandbox}"}}, False),
        ({"env": {"CUSTOMERIO_SANDBOX": URL}}, URL),
        ({"env": {"CUSTOMERIO_SANDBOX": None}}, False),
        ({"env": ["CUSTOMERIO_SANDBOX=true"]}, False),
        ({"args": ["--sandbox"], "env": {"CUSTOMERIO_SANDBOX": URL}}, URL),
        ({"args": ["--sandbox", URL], "env": {"CUSTOMERIO_SANDBOX": "http://other"}}, URL),
    ],
)
def test_the_sandbox_of_an_entry_is_found(fields: dict[str, Any], sandbox: bool | str) -> None:
    assert sandbox_of({"command": "customerio-track-mcp", **fields}) == sandbox


def test_a_url_with_a_password_is_not_shown() -> None:
    assert shown_sandbox("http://ann:secret@127.0.0.1") is True
    assert [shown_sandbox(sandbox) for sandbox in (URL, True, False)] == [URL, True, False]


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
