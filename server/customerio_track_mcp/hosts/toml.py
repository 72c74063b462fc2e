"""Edit TOML in place: comments, order and line ends stay as they are.

An entry is a table with a header of its own, so its lines are added at the end of the text, and found by their headers.
Each edit is parsed and compared with what it must be. tomlkit writes the lines of an entry, and edits the texts in
which the servers are not tables with headers (`mcp_servers = {…}`). It does not edit all texts, since it adds and drops
blank lines around tables, mixes line ends, and moves dotted keys into another table (seen with tomlkit 0.15.2).
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

from customerio_track_mcp.hosts.errors import ConfigSyntaxError
from customerio_track_mcp.hosts.formats import Path, changed, without_empty

_HEADER: Final = re.compile(r"[ \t]*\[")
_KEY: Final = r"""(?:"(?:[^"\\\n]|\\.)*"|'[^'\n]*'|[A-Za-z0-9_-]+)"""
_TABLE_HEADER: Final = re.compile(rf"[ \t]*\[[ \t]*({_KEY}(?:[ \t]*\.[ \t]*{_KEY})*)[ \t]*\][ \t]*(?:#.*)?")
_KEYS: Final = re.compile(_KEY)
_POSITION: Final = re.compile(r"^(.*?) \(at line (\d+), column (\d+)\)$", re.DOTALL)
_IGNORED_LINE: Final = re.compile(r"[ \t]*(?:#.*)?")
_STRING: Final = re.compile(
    r"""#[^\n]*|(?P<long>\"{3}(?:[^\\]|\\.)*?\"{3,5}|'{3}.*?'{3,5})|"(?:[^"\\\n]|\\.)*"|'[^'\n]*'""", re.DOTALL
)

Edit = Callable[[str], str]


class Toml:
    """TOML 1.0. See `ConfigFormat`."""

    def parse(self, text: str) -> dict[str, Any]:
        """Return the configuration. See `ConfigFormat`."""
        try:
            return tomllib.loads(text)
        except tomllib.TOMLDecodeError as error:
            raise _syntax_error(text, error) from None
        except RecursionError:
            raise ConfigSyntaxError("is nested too deeply", 1, 1) from None

    def put(self, text: str, path: Path, entry: Mapping[str, Any]) -> str:
        """Add or replace an entry. See `ConfigFormat`."""
        tree = self.parse(text)
        is_there = _entry_in(text, tree, path) is not None
        lines = _replace_lines if is_there else _append_lines
        return self._first_valid(
            text,
            [lambda old: lines(old, path, entry), lambda old: _put_with_tomlkit(old, path, entry)],
            changed(tree, path, entry),
            path,
        )

    def remove(self, text: str, path: Path) -> str:
        """Remove an entry. See `ConfigFormat`."""
        tree = self.parse(text)
        if _entry_in(text, tree, path) is None:
            raise KeyError(path[-1])
        expected = changed(tree, path, None)
        return self._first_valid(
            text, [lambda old: _remove_lines(old, path), lambda old: _remove_with_tomlkit(old, path)], expected, path
        )

    def _first_valid(self, text: str, edits: list[Edit], expected: Mapping[str, Any], path: Path) -> str:
        for edit in edits:
            try:
                new = edit(text)
                tree = self.parse(new)
            except (ConfigSyntaxError, LookupError, ValueError, TypeError, AttributeError, RecursionError):
                continue  # tomlkit's errors are ValueErrors, LookupErrors, and some by mistake
            if without_empty(tree, path) == without_empty(expected, path):
                return new
        raise ConfigSyntaxError(
            f"{path[0]} is written in a form that this command cannot change safely: edit it by hand",
            _line_with(text, path[0]),
            1,
        )


def _syntax_error(text: str, error: tomllib.TOMLDecodeError) -> ConfigSyntaxError:
    if found := _POSITION.match(str(error)):
        return ConfigSyntaxError(f"is not valid TOML: {found[1]}", int(found[2]), int(found[3]))
    reason = str(error).removesuffix(" (at end of document)")
    lines = text.split("\n")
    return ConfigSyntaxError(f"is not valid TOML: {reason} at the end of the file", len(lines), len(lines[-1]) + 1)


def _entry_in(text: str, tree: Mapping[str, Any], path: Path) -> object:
    """Return the entry at `path`, or None.

    Raises:
        ConfigSyntaxError: what must contain it is not a table.
    """
    node: object = tree
    for position, key in enumerate(path):
        if not isinstance(node, Mapping):
            line = _line_with(text, path[position - 1])
            raise ConfigSyntaxError(f"{'.'.join(path[:position])} is not a table", line, 1)
        node = node.get(key)
        if node is None:
            return None
    return node


def _line_with(text: str, key: str) -> int:
    """Return the number of the first line that contains `key`."""
    return next((number for number, line in enumerate(_lines(text), start=1) if key in line), 1)


def _line_end(text: str) -> str:
    return "\r\n" if "\r\n" in text else "\n"


def _lines(text: str) -> list[str]:
    """Split at line feeds only: TOML has no other line ends, but `str.splitlines` has."""
    return re.findall(r"[^\n]*\n|[^\n]+", text)


def _without_long_strings(text: str) -> str:
    """Return the text with other characters in strings of several lines, which may look like headers."""
    return _STRING.sub(lambda found: re.sub(r"[^\n]", "_", found[0]) if found["long"] else found[0], text)


def _render(path: Path, entry: Mapping[str, Any]) -> str:
    """Return the lines of an entry, without the line end of the last one."""
    import tomlkit

    tree: dict[str, Any] = {path[-1]: dict(entry)}
    for key in reversed(path[:-1]):
        tree = {key: tree}
    document = tomlkit.document()
    for key, value in tree.items():
        document.add(key, tomlkit.item(value))
    rendered: str = tomlkit.dumps(document).strip("\n")
    headers = [".".join(_bare_or_quoted(key) for key in path[:depth]) for depth in range(1, len(path))]
    for header in headers:  # the tables above the entry, which may be there already
        rendered = rendered.removeprefix(f"[{header}]\n").lstrip("\n")
    return rendered


def _bare_or_quoted(key: str) -> str:
    import tomlkit

    return tomlkit.key(key).as_string()


def _append_lines(text: str, path: Path, entry: Mapping[str, Any]) -> str:
    end = _line_end(text)
    lines = end.join(_render(path, entry).split("\n"))
    if not text:
        return lines + end
    # Without a line end at the end before, there is none afterwards, so that removing gives the same text again.
    return f"{text}{end}{lines}{end}" if text.endswith("\n") else f"{text}{end}{end}{lines}"


def _blocks(text: str, path: Path) -> Iterator[tuple[int, int]]:
    """Yield the first line of each table of the entry, and the line behind its last one."""
    lines = _lines(_without_long_strings(text))
    start: int | None = None
    for number, line in enumerate([*lines, "["]):
        if not _HEADER.match(line):
            continue
        if start is not None:
            last = number
            while _IGNORED_LINE.fullmatch(lines[last - 1].rstrip("\r\n")):
                last -= 1  # blank lines and comments belong to what follows
            yield start, last
            start = None
        header = _TABLE_HEADER.fullmatch(line.rstrip("\r\n"))
        if header and _keys(header[1])[: len(path)] == path:
            start = number


def _keys(dotted: str) -> Path:
    return tuple(next(iter(tomllib.loads(f"{key} = 0"))) for key in _KEYS.findall(dotted))


def _remove_lines(text: str, path: Path) -> str:
    lines = _lines(text)
    for start, end in reversed(list(_blocks(text, path))):
        first = start
        if start and not lines[start - 1].strip():
            first -= 1
        at_end = end == len(lines)
        unterminated = at_end and not lines[-1].endswith("\n")
        del lines[first:end]
        if unterminated and lines:
            lines[-1] = lines[-1].rstrip("\r\n")
    return "".join(lines)


def _replace_lines(text: str, path: Path, entry: Mapping[str, Any]) -> str:
    lines = _lines(text)
    blocks = list(_blocks(text, path))
    end_of_line = _line_end(text)
    new = end_of_line.join(_render(path, entry).split("\n"))
    first_start, first_end = blocks[0]
    is_terminated = lines[blocks[-1][1] - 1].endswith("\n")
    for start, end in reversed(blocks[1:]):
        first = start - 1 if not lines[start - 1].strip() else start
        del lines[first:end]
    if is_terminated or first_end < len(lines):
        new += end_of_line
    lines[first_start:first_end] = [new]
    return "".join(lines)


def _put_with_tomlkit(text: str, path: Path, entry: Mapping[str, Any]) -> str:
    import tomlkit

    document = tomlkit.parse(text)
    container: Any = document
    for key in path[:-1]:
        container = container[key]
    value: Any = dict(entry)
    if isinstance(container, tomlkit.items.InlineTable):
        inline = tomlkit.inline_table()
        for name, item in value.items():
            inline.append(name, _inline(item))
        value = inline
    container[path[-1]] = value
    return tomlkit.dumps(document)


def _inline(value: Any) -> Any:
    import tomlkit

    if not isinstance(value, Mapping):
        return value
    table = tomlkit.inline_table()
    for name, item in value.items():
        table.append(name, _inline(item))
    return table


def _remove_with_tomlkit(text: str, path: Path) -> str:
    import tomlkit

    document = tomlkit.parse(text)
    container: Any = document
    for key in path[:-1]:
        container = container[key]
    del container[path[-1]]
    return tomlkit.dumps(document)
