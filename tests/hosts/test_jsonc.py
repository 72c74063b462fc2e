"""Edits of JSON with comments: what is not the entry stays as it is, byte for byte."""

from __future__ import annotations

import json
import re
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from customerio_track_mcp.hosts.errors import ConfigSyntaxError
from customerio_track_mcp.hosts.formats import changed
from customerio_track_mcp.hosts.jsonc import STRICT, Dialect
from tests.hosts.documents import NAMES, documents, objects

JSONC: Final = Dialect()
ENTRY: Final = {"command": "/opt/a b/customerio-track-mcp", "args": ["--sandbox"], "env": {"A": 'a"b, }'}}
OTHER: Final[dict[str, Any]] = {"command": "C:\\x", "args": []}
PATH: Final = ("mcpServers", "customerio-track")
COMMENT: Final = re.compile(r'"(?:[^"\\]|\\.)*"|(//[^\r\n]*|/\*.*?\*/)', re.DOTALL)


def comments_in(text: str) -> list[str]:
    return [found[1] for found in COMMENT.finditer(text) if found[1]]


@settings(max_examples=50)
@given(documents(servers=True), NAMES)
def test_adding_and_removing_an_entry_gives_the_same_text(text: str, name: str) -> None:
    path = ("mcpServers", name)
    if name in JSONC.parse(text)["mcpServers"]:
        return
    added = JSONC.put(text, path, ENTRY)
    assert JSONC.parse(added) == changed(JSONC.parse(text), path, ENTRY)
    assert JSONC.remove(added, path) == text


@settings(max_examples=50)
@given(documents(servers=False))
def test_without_servers_everything_else_stays(text: str) -> None:
    added = JSONC.put(text, PATH, ENTRY)
    assert JSONC.parse(added) == changed(JSONC.parse(text), PATH, ENTRY)
    removed = JSONC.remove(added, PATH)
    assert JSONC.parse(removed) == JSONC.parse(text) | {"mcpServers": {}}
    assert comments_in(text) == comments_in(added) == comments_in(removed)


@settings(max_examples=50)
@given(documents(servers=True), st.data())
def test_any_entry_can_be_replaced_and_removed(text: str, data: st.DataObject) -> None:
    tree = JSONC.parse(text)
    path = ("mcpServers", data.draw(st.sampled_from(sorted(tree["mcpServers"]))))
    replaced = JSONC.put(text, path, OTHER)
    assert JSONC.parse(replaced) == changed(tree, path, OTHER)
    assert JSONC.put(replaced, path, OTHER) == replaced
    removed = JSONC.remove(replaced, path)
    assert JSONC.parse(removed) == changed(tree, path, None)


@settings(max_examples=50)
@given(objects(3))
def test_what_the_strict_dialect_accepts_is_json(text: str) -> None:
    try:
        tree = STRICT.parse(text)
    except ConfigSyntaxError:
        with pytest.raises(ValueError, match=r"line \d+ column \d+"):
            json.loads(text, parse_int=str)
    else:
        assert tree.keys() == json.loads(text, parse_int=str).keys()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            '{\n    "mcpServers": {\n        "a": {}\n    }\n}\n',
            '{\n    "mcpServers": {\n        "a": {},\n        "n": {\n            "x": [\n                1\n'
            "            ]\n        }\n    }\n}\n",
            id="four spaces",
        ),
        pytest.param(
            '{\n\t"mcpServers": {\n\t\t"a": {}, // last\n\t}\n}',
            '{\n\t"mcpServers": {\n\t\t"a": {}, // last\n\t\t"n": {\n\t\t\t"x": [\n\t\t\t\t1\n\t\t\t]\n\t\t},\n\t}\n}',
            id="tabs, a trailing comma and a comment",
        ),
        pytest.param(
            '{\r\n  "mcpServers": {\r\n    "a": {} // last\r\n    // "old": {}\r\n  }\r\n}',
            '{\r\n  "mcpServers": {\r\n    "a": {}, // last\r\n    "n": {\r\n      "x": [\r\n        1\r\n      ]\r\n'
            '    }\r\n    // "old": {}\r\n  }\r\n}',
            id="CRLF and comments",
        ),
        pytest.param(
            '{\n"mcpServers":{\n"a":1/* } */}/* } */}',
            '{\n"mcpServers":{\n"a":1,\n"n": {\n  "x": [\n    1\n  ]\n}/* } */}/* } */}',
            id="comments on one line",
        ),
        pytest.param(
            '{"mcpServers":{"a":{}},"b":1}', '{"mcpServers":{"a":{},"n":{"x":[1]}},"b":1}', id="one line, compact"
        ),
        pytest.param(
            '{ "mcpServers": { "a": {} } }', '{ "mcpServers": { "a": {}, "n": {"x": [1]} } }', id="one line, spaces"
        ),
        pytest.param(
            '{\n  "b": 1\n}\n',
            '{\n  "b": 1,\n  "mcpServers": {\n    "n": {\n      "x": [\n        1\n      ]\n    }\n  }\n}\n',
            id="no servers",
        ),
        pytest.param(
            "{}", '{\n  "mcpServers": {\n    "n": {\n      "x": [\n        1\n      ]\n    }\n  }\n}', id="empty object"
        ),
        pytest.param(
            "", '{\n  "mcpServers": {\n    "n": {\n      "x": [\n        1\n      ]\n    }\n  }\n}\n', id="empty file"
        ),
        pytest.param(
            "// mine",
            '// mine\n{\n  "mcpServers": {\n    "n": {\n      "x": [\n        1\n      ]\n    }\n  }\n}\n',
            id="only a comment",
        ),
    ],
)
def test_a_new_entry_is_written_in_the_style_of_the_file(text: str, expected: str) -> None:
    assert JSONC.put(text, ("mcpServers", "n"), {"x": [1]}) == expected


@pytest.mark.parametrize(
    ("text", "line", "column", "reason"),
    [
        ('{\n  "mcpServers": {\n    "a" {}\n  }\n}', 3, 9, "Expecting ':' delimiter"),
        ('{\r\n  "a": 1\r\n  "b": 2\r\n}', 3, 3, "Expecting ',' delimiter"),
        ('{"a": 1,,}', 1, 9, "Expecting property name"),
        ("{,}", 1, 2, "Expecting property name"),
        ('{"a": [1,,2]}', 1, 10, "Expecting value"),
        ("{'a': 1}", 1, 2, "Expecting property name"),
        ('{"a": yes}', 1, 7, "Expecting value"),
        ('{"a": NaN}', 1, 7, "NaN"),
        ('{"a": "x\ny"}', 1, 9, "Invalid control character"),
        ('{"a": 1', 1, 8, "Expecting ',' delimiter"),
        ("{}{}", 1, 3, "Extra data"),
        ("{}\n/* x", 2, 1, "is a comment without an end"),
        ("{}\n/*/", 2, 1, "is a comment without an end"),
        ('{} / {"a": 1}', 1, 4, "Extra data"),
        ("\n[]", 2, 1, "is not an object"),
        ("1", 1, 1, "is not an object"),
        ('{"mcpServers": []}', 1, 16, '"mcpServers" is not an object'),
        ('{"mcpServers": null}', 1, 16, '"mcpServers" is not an object'),
        ('{"mcpServers": {},\n "mcpServers": {}}', 2, 2, 'the key "mcpServers" is there twice'),
        (
            '{"mcpServers": {"customerio-track": 1, "customerio-trac\\u006b": 2}}',
            1,
            40,
            'the key "customerio-track" is there twice',
        ),
        ('{"a": ' + "[" * 100_000, 1, 1, "is nested too deeply"),
    ],
)
def test_what_cannot_be_changed_safely_is_refused_with_line_and_column(
    text: str, line: int, column: int, reason: str
) -> None:
    with pytest.raises(ConfigSyntaxError) as error:
        JSONC.put(text, PATH, ENTRY)
    assert (error.value.line, error.value.column) == (line, column)
    assert reason in str(error.value)
    assert str(error.value).startswith(f"line {line}, column {column}: ")


@pytest.mark.parametrize(
    ("dialect", "text", "column", "reason"),
    [
        (STRICT, '{"a": 1, // x\n"b": 2}', 10, "is a comment"),
        (STRICT, '{"a": 1 /* x */}', 9, "is a comment"),
        (STRICT, '{"a": 1, }', 8, "is a trailing comma"),
        (Dialect(trailing_commas=False), '{"a": [1, /* x */]}', 9, "is a trailing comma"),
    ],
)
def test_what_the_host_does_not_accept_is_refused(dialect: Dialect, text: str, column: int, reason: str) -> None:
    with pytest.raises(ConfigSyntaxError, match=reason) as error:
        dialect.put(text, PATH, ENTRY)
    assert (error.value.line, error.value.column) == (1, column)
    JSONC.put(text, PATH, ENTRY)


def test_keys_that_are_there_twice_elsewhere_stay() -> None:
    text = '{"a": 1, "a": 2, "mcpServers": {"b": {"c": 1, "c": 2}}}'
    added = JSONC.put(text, PATH, ENTRY)
    assert added.startswith(text[:-2])
    assert JSONC.remove(added, PATH) == text
