"""Edits of TOML: what is not the entry stays as it is, byte for byte."""

from __future__ import annotations

import tomllib
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from customerio_track_mcp.hosts.errors import ConfigSyntaxError
from customerio_track_mcp.hosts.formats import changed
from customerio_track_mcp.hosts.toml import Toml

TOML: Final = Toml()
PATH: Final = ("mcp_servers", "customerio-track")
ENTRY: Final = {"command": "C:\\a b\\x.exe", "args": ["--sandbox"], "env": {"A": 'quo"te'}}
OTHER: Final[dict[str, Any]] = {"command": "/x", "args": []}

DOCUMENTS: Final = {
    "empty": "",
    "blank": "\n\n",
    "keys only": 'model = "o3" # comment\n',
    "no line end": 'model = "o3"',
    "blank line at the end": 'model = "o3"\n\n',
    "CRLF": 'model = "o3"\r\n\r\n[mcp_servers.a]\r\ncommand = "a"\r\n',
    "CRLF without the last": '[mcp_servers.a]\r\ncommand = "a"',
    "others": '# top\n[mcp_servers.a] # hey\ncommand = "a"\nargs = [\n  "x", # y\n]\n\n[other]\nz = 1\n# end\n',
    "sub-tables": '[mcp_servers.a]\ncommand = "a"\n\n[mcp_servers.a.env]\nX = "1"\n\n\n# trailing comment',
    "out of order": '[mcp_servers]\n\n[mcp_servers.a]\ncommand="a"\n[zz]\nq=1\n[mcp_servers.b]\ncommand="b"\n',
    "dotted keys": 'mcp_servers.a.command = "x"\nmcp_servers.a.args = []\n\n[x]\ny=1\n',
    "inline servers": '[mcp_servers]\na = { command = "a" }\n\n[x]\ny=1\n',
    "arrays of tables": "[[x]]\na=1\n[[x]]\na=2\n",
    "looks like the entry": 'x = """\n[mcp_servers.customerio-track]\n"""\n',
    "array that looks like a table": 'x = [\n  ["a"],\n[ "mcp_servers.customerio-track" ]\n]\n',
    "line ends of other alphabets": '# a\u2028b\x85c\n[mcp_servers.a]\ncommand = "\u2028[x]"\n',
}

KEYS: Final = st.sampled_from(["a", "b-c", '"d e"', "'f.g'", '"#"'])
VALUES: Final = st.sampled_from(
    [
        '"x"',
        "1",
        "true",
        "[]",
        '["a", "b"]',
        "[\n  1, # one\n  2\n]",
        '"""\n[x]\n"""',
        "'[y]'",
        "{ a = 1 }",
        "2026-01-01",
    ]
)
BLANKS: Final = st.sampled_from(["", "", "\n", "\n\n", "# comment\n", "\n# [mcp_servers.customerio-track]\n", "  \n"])


@st.composite
def documents(draw: st.DrawFn) -> str:
    parts = [draw(BLANKS)]

    def pairs() -> None:
        for key in draw(st.lists(KEYS, max_size=2, unique=True)):
            parts.extend([f"{key} = {draw(VALUES)}", draw(st.sampled_from(["\n", " # why\n"])), draw(BLANKS)])

    pairs()
    headers = ["[mcp_servers]", "[mcp_servers.a]", "[ mcp_servers . b ]", '[mcp_servers."d e".env]', "[x]", "[x.y]"]
    for header in draw(st.lists(st.sampled_from(headers), max_size=4, unique=True)):
        parts.append(f"{header}\n")
        pairs()
    text = "".join(parts)
    if draw(st.booleans()):
        text = text.removesuffix("\n")
    return text.replace("\n", "\r\n") if draw(st.booleans()) else text


def is_valid(text: str) -> bool:
    try:
        servers = tomllib.loads(text).get("mcp_servers", {})
    except tomllib.TOMLDecodeError:
        return False
    return isinstance(servers, dict)


@pytest.mark.parametrize("text", DOCUMENTS.values(), ids=DOCUMENTS)
def test_adding_replacing_and_removing_gives_the_same_text(text: str) -> None:
    added = TOML.put(text, PATH, ENTRY)
    assert tomllib.loads(added) == changed(tomllib.loads(text), PATH, ENTRY)
    assert added.startswith(text)
    replaced = TOML.put(added, PATH, OTHER)
    assert tomllib.loads(replaced) == changed(tomllib.loads(text), PATH, OTHER)
    assert TOML.put(replaced, PATH, ENTRY) == added
    assert TOML.remove(added, PATH) == text
    assert TOML.remove(replaced, PATH) == text


@settings(max_examples=50)
@given(documents().filter(is_valid))
def test_adding_and_removing_an_entry_gives_the_same_text(text: str) -> None:
    added = TOML.put(text, PATH, ENTRY)
    assert tomllib.loads(added) == changed(tomllib.loads(text), PATH, ENTRY)
    assert ("\r\n" in text) == ("\r\n" in added) or not text.strip("\r\n")
    assert TOML.remove(added, PATH) == text


@settings(max_examples=50)
@given(documents().filter(is_valid), documents())
def test_what_was_added_later_stays(text: str, later: str) -> None:
    added = TOML.put(text, PATH, ENTRY) + "\n" + later
    if not is_valid(added) or tomllib.loads(added)["mcp_servers"]["customerio-track"] != ENTRY:
        return
    removed = TOML.remove(added, PATH)
    assert tomllib.loads(removed).get("mcp_servers", {}) == {
        name: entry for name, entry in tomllib.loads(added)["mcp_servers"].items() if name != "customerio-track"
    }
    assert removed.endswith(later)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            'mcp_servers = { a = { command = "a" } } # mine\n[x]\ny = 1 # why\n',
            'mcp_servers = { a = { command = "a" }, customerio-track = {command = "/x", args = []}} # mine\n'
            "[x]\ny = 1 # why\n",
        ),
        ("mcp_servers = {}\n", 'mcp_servers = {customerio-track = {command = "/x", args = []}}\n'),
    ],
)
def test_servers_in_an_inline_table_stay_there(text: str, expected: str) -> None:
    added = TOML.put(text, PATH, OTHER)
    assert added == expected
    assert tomllib.loads(TOML.remove(added, PATH)) == tomllib.loads(text)


def test_a_table_header_in_any_form_is_found() -> None:
    text = '[a]\nb = 1\n\n [ mcp_servers . "customerio-track" ] # mine\ncommand = "x"\n\n# of c\n[c]\nd = 1\n'
    text += '\n[mcp_servers.customerio-track.env]\nA = "1"\n\n[e]\n'
    assert TOML.remove(text, PATH) == "[a]\nb = 1\n\n# of c\n[c]\nd = 1\n\n[e]\n"
    assert TOML.put(text, PATH, OTHER) == (
        '[a]\nb = 1\n\n[mcp_servers.customerio-track]\ncommand = "/x"\nargs = []\n\n# of c\n[c]\nd = 1\n\n[e]\n'
    )


@pytest.mark.parametrize(
    ("text", "line", "column", "reason"),
    [
        ('a = "x"\nb = \n', 2, 5, "Invalid value"),
        ("[a]\n[a]\n", 2, 3, "Cannot declare"),
        ("a = 1\na = 2\n", 2, 6, "Cannot overwrite"),
        ('a = """\nx', 2, 2, "is not valid TOML"),
        ("a = [1,\n", 2, 1, "Invalid value"),
        ("mcp_servers = 1\n", 1, 1, "mcp_servers is not a table"),
        ("[[mcp_servers]]\na = 1\n", 1, 1, "mcp_servers is not a table"),
        ("a = " + "[" * 100_000, 1, 1, "is nested too deeply"),
    ],
)
def test_what_cannot_be_changed_safely_is_refused_with_line_and_column(
    text: str, line: int, column: int, reason: str
) -> None:
    with pytest.raises(ConfigSyntaxError, match=reason) as error:
        TOML.put(text, PATH, ENTRY)
    assert (error.value.line, error.value.column) == (line, column)
