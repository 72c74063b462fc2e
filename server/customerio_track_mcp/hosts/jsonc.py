"""Edit JSON in place: comments, trailing commas, order, indentation and line ends stay as they are.

The standard library's decoder validates the text and finds where each value ends. Comments and trailing commas are
replaced by spaces for it, so that every position is one in the original text. No well-kept package on PyPI does this:
json-five accepts JSON5, which hosts reject, and has had no release since June 2024; tree-sitter-json reports trailing
commas as errors; the others are new, and by one author each.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from customerio_track_mcp.hosts.errors import ConfigSyntaxError, syntax_error_at
from customerio_track_mcp.hosts.formats import Path, changed

_DEFAULT_INDENT: Final = "  "
_WHITESPACE: Final = " \t\r\n"
_BLANKS: Final = re.compile(r"[ \t\r\n]*")
_TOKEN: Final = re.compile(
    r"""(?P<string>"(?:[^"\\\r\n]|\\.)*"?)
    |(?P<comment>//[^\r\n]*|/\*.*?(?:\*/|\Z))
    |(?P<comma>,)
    |(?P<close>[}\]])
    |(?P<other>[^\s",}\]/]+|/)""",
    re.DOTALL | re.VERBOSE,
)
_COMMENTS_ON_LINE: Final = re.compile(r"(?:[ \t]*(?:/\*(?:(?!\*/)[^\r\n])*\*/|//[^\r\n]*))+(?=[ \t]*(?:\r|\n|\Z))")
_NOT_BLANK: Final = re.compile(r"[^\r\n]")
_FIRST_INDENT: Final = re.compile(r"\n([ \t]+)\S")
_CANNOT_NEST: Final = "is nested too deeply"


@dataclass(frozen=True, slots=True)
class Dialect:
    """JSON with what a host accepts beyond it.

    Attributes:
        comments: whether comments are accepted.
        trailing_commas: whether a comma may follow the last value.
    """

    comments: bool = True
    trailing_commas: bool = True

    def parse(self, text: str) -> dict[str, Any]:
        """Return the configuration. See `ConfigFormat`."""
        parsed: dict[str, Any] = json.loads(_Document(text, self).clean or "{}", parse_int=_integer)
        return parsed

    def put(self, text: str, path: Path, entry: Mapping[str, Any]) -> str:
        """Add or replace an entry. See `ConfigFormat`."""
        document = _Document(text, self)
        if not document.clean:
            return text + document.line_end * bool(text and text[-1] not in "\r\n") + document.new(path, entry)
        new = document.put(path, entry)
        return _verified(self, new, changed(self.parse(text), path, entry))

    def remove(self, text: str, path: Path) -> str:
        """Remove an entry. See `ConfigFormat`."""
        new = _Document(text, self).remove(path)
        return _verified(self, new, changed(self.parse(text), path, None))


STRICT: Final = Dialect(comments=False, trailing_commas=False)
"""JSON as RFC 8259 defines it."""


@dataclass(frozen=True, slots=True)
class _Member:
    """A member of an object. `start` is where its key starts; `end` is behind its value."""

    key: str
    start: int
    value_start: int
    end: int


@dataclass(frozen=True, slots=True)
class _Object:
    """An object. `start` is its opening brace, `end` its closing one."""

    start: int
    end: int
    members: Sequence[_Member]


class _Document:
    """A text that is valid in its dialect, and an object at the top.

    Attributes:
        clean: the text with spaces instead of comments and trailing commas; empty if it contains nothing else.
    """

    def __init__(self, text: str, dialect: Dialect) -> None:
        self.text = text
        self.trailing_commas: set[int] = set()
        # Megabytes of JSON, such as Claude Code's state, take seconds token by token.
        cleaned = text if _is_plain(text) else self._without_extras(dialect)
        self.clean = cleaned if cleaned.strip(_WHITESPACE) else ""
        if self.clean:
            self._validate()
        self.line_end = "\r\n" if "\r\n" in text else "\n"
        indent = _FIRST_INDENT.search(text)
        self.indent = indent[1] if indent else _DEFAULT_INDENT

    def new(self, path: Path, entry: Mapping[str, Any]) -> str:
        """Return a whole document that contains this entry only."""
        return self._dump(changed({}, path, entry), "") + self.line_end

    def put(self, path: Path, entry: Mapping[str, Any]) -> str:
        container = self._root()
        for position, key in enumerate(path):
            member = self._find(container, key)
            rest = path[position + 1 :]
            if member is None:
                return self._insert(container, key, changed({}, rest, entry) if rest else entry)
            if not rest:
                return self._replace(member, entry)
            container = self._object(member)
        raise ValueError("the path is empty")

    def remove(self, path: Path) -> str:
        container = self._root()
        for key in path[:-1]:
            member = self._find(container, key)
            if member is None:
                raise KeyError(key)
            container = self._object(member)
        member = self._find(container, path[-1])
        if member is None:
            raise KeyError(path[-1])
        return self._without(container, member)

    def _without_extras(self, dialect: Dialect) -> str:
        """Return the text with spaces instead of comments and trailing commas."""
        parts: list[str] = []
        position, comma, before_comma = 0, -1, ""
        previous = ""
        for token in _TOKEN.finditer(self.text):
            if token["comment"] is not None:
                if not dialect.comments:
                    raise self._error(token.start(), "is a comment, which this host does not accept")
                if token[0].startswith("/*") and (len(token[0]) < 4 or not token[0].endswith("*/")):
                    raise self._error(token.start(), "is a comment without an end")
                parts += [self.text[position : token.start()], _NOT_BLANK.sub(" ", token[0])]
                position = token.end()
                continue
            if token["close"] and comma >= 0 and previous == "," and before_comma[-1:] not in ("", "{", "[", ",", ":"):
                if not dialect.trailing_commas:
                    raise self._error(comma, "is a trailing comma, which this host does not accept")
                self.trailing_commas.add(comma)
            if token["comma"]:
                comma, before_comma = token.start(), previous
            previous = token[0]
        characters = list("".join([*parts, self.text[position:]]))
        for comma in self.trailing_commas:
            characters[comma] = " "
        return "".join(characters)

    def _validate(self) -> None:
        try:
            # Numbers stay text: the decoder limits the digits of an int, and has no use for their value.
            top = json.loads(self.clean, parse_int=str, parse_float=str, parse_constant=_reject_constant)
        except json.JSONDecodeError as error:
            raise ConfigSyntaxError(f"is not valid JSON: {error.msg}", error.lineno, error.colno) from None
        except _ConstantError as error:
            raise self._error(max(self.clean.find(str(error)), 0), f"is not valid JSON: {error}") from None
        except RecursionError:
            raise ConfigSyntaxError(_CANNOT_NEST, 1, 1) from None
        if not isinstance(top, dict):
            raise self._error(self._after_blanks(0), "is not an object: expected {")

    def _error(self, position: int, reason: str) -> ConfigSyntaxError:
        return syntax_error_at(self.text, position, reason)

    def _after_blanks(self, position: int) -> int:
        match = _BLANKS.match(self.clean, position)
        return match.end() if match else position

    def _root(self) -> _Object:
        return self._object_at(self._after_blanks(0))

    def _object(self, member: _Member) -> _Object:
        if self.clean[member.value_start] != "{":
            raise self._error(member.value_start, f"{json.dumps(member.key)} is not an object: expected {{")
        return self._object_at(member.value_start)

    def _object_at(self, start: int) -> _Object:
        members = list(self._members(start))
        return _Object(start, self._after_blanks(members[-1].end if members else start + 1), members)

    def _members(self, start: int) -> Iterator[_Member]:
        decode = json.JSONDecoder(parse_int=str, parse_float=str).raw_decode
        position = self._after_blanks(start + 1)
        while self.clean[position] != "}":
            key, key_end = decode(self.clean, position)
            value_start = self._after_blanks(self._after_blanks(key_end) + 1)
            _, end = decode(self.clean, value_start)
            yield _Member(key, position, value_start, end)
            position = self._after_blanks(end)
            if self.clean[position] == ",":
                position = self._after_blanks(position + 1)

    def _find(self, container: _Object, key: str) -> _Member | None:
        found = [member for member in container.members if member.key == key]
        if len(found) > 1:
            raise self._error(found[1].start, f"the key {json.dumps(key)} is there twice: remove one of them")
        return found[0] if found else None

    def _insert(self, container: _Object, key: str, value: Mapping[str, Any]) -> str:
        text = self.text
        name = json.dumps(key, ensure_ascii=False)
        if not container.members:
            outer = self._line_indent(container.start)
            inner = outer + self.indent
            interior = text[container.start + 1 : container.end].rstrip(_WHITESPACE)
            member = f"{self.line_end}{inner}{name}: {self._dump(value, inner)}{self.line_end}{outer}"
            return text[: container.start + 1] + interior + member + text[container.end :]
        first, last = container.members[0], container.members[-1]
        trailing = self._trailing_comma(last, container)
        after = last.end if trailing is None else trailing + 1
        if "\n" not in text[container.start : first.start]:
            space, colon = self._inline_style(first)
            member = f"{space}{name}:{colon}{self._dump_inline(value, space, colon)}"
            member = f",{member}" if trailing is None else f"{member},"
            return text[:after] + member + text[after:]
        comments = _COMMENTS_ON_LINE.match(text, after)
        position = comments.end() if comments else after
        indent = self._line_indent(first.start)
        member = f"{self.line_end}{indent}{name}: {self._dump(value, indent)}"
        if trailing is None:
            return f"{text[: last.end]},{text[last.end : position]}{member}{text[position:]}"
        return f"{text[:position]}{member},{text[position:]}"

    def _replace(self, member: _Member, value: Mapping[str, Any]) -> str:
        text = self.text
        line = text[text.rfind("\n", 0, member.start) + 1 : member.start]
        if "\n" in text[member.value_start : member.end] or not line.strip(_WHITESPACE):
            new = self._dump(value, self._line_indent(member.start))
        else:
            new = self._dump_inline(value, *self._inline_style(member))
        return text[: member.value_start] + new + text[member.end :]

    def _without(self, container: _Object, member: _Member) -> str:
        text = self.text
        index = container.members.index(member)
        start, end = member.start, member.end
        comma = self._comma_after(member, container, index)
        if comma is not None:
            end = comma + 1
            # A comment between the value and its comma stays.
            between = text[member.end : comma]
            kept = between if between.strip(_WHITESPACE) else ""
        else:
            kept = ""
        has_own_line = not text[text.rfind("\n", 0, start) + 1 : start].strip(_WHITESPACE)
        if not (has_own_line and (kept or _COMMENTS_ON_LINE.match(text, end))):
            start = len(text[:start].rstrip(_WHITESPACE))
            # What follows a line comment must be on a line of its own.
            if self._is_in_line_comment(start) and not re.match(r"[ \t]*\r?\n", kept + text[end:]):
                start = member.start
        head = text[:start]
        if comma is None and index:
            previous = container.members[index - 1]
            before = self._comma_between(previous, member)
            head = head[:before] + head[before + 1 :]
        if len(container.members) == 1 and not (text[container.start + 1 : start] + kept).strip(_WHITESPACE):
            tail = text[end:]
            stripped = tail.lstrip(_WHITESPACE)
            return text[: container.start + 1] + (stripped if stripped.startswith("}") else tail)
        return head + kept + text[end:]

    def _trailing_comma(self, last: _Member, container: _Object) -> int | None:
        return next((comma for comma in self.trailing_commas if last.end <= comma < container.end), None)

    def _comma_after(self, member: _Member, container: _Object, index: int) -> int | None:
        if index + 1 < len(container.members):
            return self._comma_between(member, container.members[index + 1])
        return self._trailing_comma(member, container)

    def _comma_between(self, member: _Member, following: _Member) -> int:
        return self.clean.index(",", member.end, following.start)

    def _is_in_line_comment(self, end: int) -> bool:
        """Return whether the text before `end` ends with a comment that a line end closes."""
        line = self.text[self.text.rfind("\n", 0, end) + 1 : end]
        return bool(line) and self.clean[end - 1] == " " and "//" in line

    def _line_indent(self, position: int) -> str:
        line = self.text[self.text.rfind("\n", 0, position) + 1 : position]
        return line[: len(line) - len(line.lstrip(" \t"))]

    def _inline_style(self, member: _Member) -> tuple[str, str]:
        """Return the spaces after a comma and a colon in an object on one line."""
        colon = self.text[member.value_start - 1] == " "
        return (" ", " ") if colon else ("", "")

    def _dump(self, value: Mapping[str, Any], indent: str) -> str:
        lines = json.dumps(value, ensure_ascii=False, indent=self.indent).split("\n")
        return f"{self.line_end}{indent}".join(lines)

    def _dump_inline(self, value: Mapping[str, Any], space: str, colon: str) -> str:
        return json.dumps(value, ensure_ascii=False, separators=(f",{space}", f":{colon}"))


def _is_plain(text: str) -> bool:
    """Return whether a text is JSON without comments and trailing commas."""
    try:
        json.loads(text, parse_int=str, parse_float=str, parse_constant=_reject_constant)
    except (ValueError, RecursionError):
        return False
    return True


class _ConstantError(ValueError):
    """NaN or an infinity, which JSON does not have."""


def _reject_constant(constant: str) -> None:
    raise _ConstantError(constant)


def _integer(digits: str) -> int | str:
    """Return an integer; as text if it has more digits than Python converts."""
    try:
        return int(digits)
    except ValueError:
        return digits


def _verified(dialect: Dialect, text: str, expected: Mapping[str, Any]) -> str:
    """Return the new text if it means what it must: a mistake here must not reach a file."""
    try:
        if dialect.parse(text) == expected:
            return text
    except ConfigSyntaxError:
        pass
    raise ConfigSyntaxError(
        "the file is written in a form that this command cannot change safely: edit it by hand", 1, 1
    )
