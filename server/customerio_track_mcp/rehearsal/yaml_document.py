"""Read YAML as JSON values with their positions, and report what would surprise its author.

Plain scalars are read as in YAML 1.2, whose types are JSON's: a date is text, `1e3` is a number. What many tools, which
read YAML 1.1, or a reader could take for something else (`no`, `007`, `1_000`) must be quoted. Anchors and aliases are
not accepted, so a document is as large as its file.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from customerio_track_mcp.rehearsal.matchers import ANY, Matches, OneOf
from customerio_track_mcp.rehearsal.places import Place
from customerio_track_mcp.rehearsal.shown_text import shown

MAX_DEPTH: Final = 30
"""Levels of lists and mappings."""
MAX_VALUES: Final = 50_000
"""Values of a document, lists and mappings included."""

_TOO_DEEP: Final = f"nested too deeply; the maximum is {MAX_DEPTH} levels"
_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_NULLS: Final = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEANS: Final = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_OTHER_BOOLEANS: Final = frozenset({"yes", "no", "on", "off", "y", "n"})
_INTEGER: Final = re.compile(r"-?(0|[1-9][0-9]{0,18})")
_FLOAT: Final = re.compile(r"-?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_LIKE_A_NUMBER: Final = re.compile(r"[-+]?(\.[0-9]|[0-9])[0-9_]*(\.[0-9_]*)?([eE][-+]?[0-9]+)?|0[xob][0-9a-fA-F_]+")
_NOT_FINITE: Final = re.compile(r"[-+]?\.(inf|nan)", re.IGNORECASE)
_STRING_TAGS: Final = frozenset({"!", "tag:yaml.org,2002:str"})


@dataclass(slots=True)
class Document:
    """A YAML document as JSON values and matchers.

    Attributes:
        value: the outermost value.
        lines: the line of each value, from 1.
        problems: what is wrong, with the place and the line.
        is_complete: whether it could be read to its end. What was not is null.
    """

    value: Any = None
    lines: dict[Place, int] = field(default_factory=dict)
    problems: list[tuple[Place, int, str]] = field(default_factory=list)
    is_complete: bool = True


def parse_yaml(text: str) -> Document:
    """Read one YAML document. What cannot be read is reported in `problems`, and is null in `value`."""
    document = Document()
    try:
        _Reader(text, document).read()
    except yaml.MarkedYAMLError as error:
        line = error.problem_mark.line + 1 if error.problem_mark else 1
        document.problems.append(((), line, _what_is_invalid(error)))
        document.is_complete = False
    except _TooLargeError as error:
        document.problems.append(error.args)
        document.is_complete = False
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, max(error.position, 0)) + 1
        document.problems.append(((), line, "contains a control character; write it as an escape in double quotes"))
        document.is_complete = False
    return document


def _what_is_invalid(error: yaml.MarkedYAMLError) -> str:
    if (error.context or "").endswith(" a tag"):
        return "a tag needs a space after it, also before a bracket or brace: {note: !any }"
    # PyYAML from 6.0.4 on limits the levels itself, and finds brackets before it returns the events before them:
    # https://github.com/yaml/libyaml/pull/329
    if (error.problem or "").endswith(" nesting depth"):
        return _TOO_DEEP
    return f"not valid YAML: {shown(' '.join(filter(None, (error.context, error.problem))))}"


class _TooLargeError(Exception):
    """A document is not read to its end: the place, the line, and what exceeds which maximum."""


class _Reader:
    """Builds values from the events of PyYAML's parser."""

    def __init__(self, text: str, document: Document) -> None:
        self._events: Iterator[Any] = yaml.parse(text, Loader=_LOADER)
        self._document = document
        self._values_left = MAX_VALUES

    def read(self) -> None:
        """Read the document into `document`."""
        for event in self._events:
            match event:
                case yaml.StreamStartEvent() | yaml.DocumentStartEvent():
                    continue
                case yaml.StreamEndEvent():
                    break
            self._document.value = self._value(event, ())
            next(self._events)  # the end of the document
            following: Any = next(self._events)
            if not isinstance(following, yaml.StreamEndEvent):
                self._report((), following, "a further document begins here; a file contains one")
            break

    def _report(self, path: Place, event: Any, text: str) -> None:
        self._document.problems.append((path, event.start_mark.line + 1, text))

    def _value(self, event: Any, path: Place) -> Any:
        self._document.lines.setdefault(path, event.start_mark.line + 1)
        self._values_left -= 1
        if self._values_left < 0:
            raise _TooLargeError((), event.start_mark.line + 1, f"contains more than {MAX_VALUES} values, the maximum")
        if getattr(event, "anchor", None) is not None:
            self._report(path, event, "anchors and aliases (& and *) are not accepted; repeat the value")
        match event:
            case yaml.ScalarEvent():
                return self._scalar(event, path)
            case yaml.AliasEvent():
                return None
        self._check_depth(len(path) + 1, path, event)
        if isinstance(event, yaml.SequenceStartEvent):
            return self._tagged_list(event, path)
        if event.tag not in (None, "!", "tag:yaml.org,2002:map"):
            self._report(path, event, f"the tag {shown(event.tag)} is unknown; {_TAGS}")
        return self._mapping(path)

    def _skip(self, place: Place) -> None:
        depth = len(place) + 1
        while depth > len(place):
            event = next(self._events)
            depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
            self._check_depth(depth, place, event)

    def _check_depth(self, depth: int, place: Place, event: Any) -> None:
        if depth > MAX_DEPTH:
            # Not even the rest is read: libyaml's time grows with the square of the depth.
            line = event.start_mark.line + 1
            raise _TooLargeError(place, line, _TOO_DEEP)

    def _mapping(self, path: Place) -> dict[str, Any]:
        members: dict[str, Any] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            key = self._key(event, path)
            place = (*path, "" if key is None else key)
            value = self._value(next(self._events), place)
            if key in members:
                first = self._document.lines[place]
                self._report(place, event, f"is there twice; the first is in line {first}; remove one")
            elif key is not None:
                members[key] = value
        return members

    def _key(self, event: Any, path: Place) -> str | None:
        """Return a key as text; None if it is not one."""
        line: int = event.start_mark.line + 1
        if isinstance(event, yaml.ScalarEvent) and event.anchor is None and event.tag in (None, *_STRING_TAGS):
            key: str = event.value
            if not event.style and key == "<<":
                self._report(path, event, "merge keys (<<) are not accepted; repeat the members")
                return None
            self._document.lines.setdefault((*path, key), line)
            return key
        self._report(path, event, "a key must be text")
        if isinstance(event, yaml.CollectionStartEvent):
            self._skip(path)
        return None

    def _tagged_list(self, event: Any, path: Place) -> Any:
        elements: list[Any] = []
        while not isinstance(element := next(self._events), yaml.SequenceEndEvent):
            elements.append(self._value(element, (*path, len(elements))))
        if event.tag in (None, "!", "tag:yaml.org,2002:seq"):
            return elements
        if event.tag != "!one_of":
            self._report(path, event, f"the tag {shown(event.tag)} is unknown, or does not take a list; {_TAGS}")
        elif not elements:
            self._report(path, event, "!one_of needs at least one value")
        return OneOf(tuple(elements))

    def _scalar(self, event: Any, path: Place) -> Any:
        value: str = event.value
        tag: str | None = event.tag
        if tag in _STRING_TAGS:
            return value
        if tag is not None:
            return self._tagged_scalar(event, path, tag, value)
        if event.style:  # quoted, or a block; empty in the C library's events if it is plain
            return value
        try:
            return _plain(value)
        except ValueError as error:
            self._report(path, event, str(error))
            return None

    def _tagged_scalar(self, event: Any, path: Place, tag: str, value: str) -> Any:
        create = _TAGGED_SCALARS.get(tag)
        if create is None:
            self._report(path, event, f"the tag {shown(tag)} is unknown, or does not take one value; {_TAGS}")
            return ANY
        try:
            return create(value)
        except (re.error, OverflowError, RecursionError) as error:
            self._report(path, event, f"{tag} needs a regular expression in Python's syntax ({shown(str(error))})")
        except ValueError as error:
            self._report(path, event, str(error))
        return ANY


def _any(value: str) -> object:
    if value:
        raise ValueError("!any stands alone, without a value")
    return ANY


def _matches(value: str) -> object:
    if not value:
        raise ValueError('!matches needs a regular expression, for example !matches "socks.*"')
    return Matches(value)


_TAGGED_SCALARS: Final[dict[str, Callable[[str], object]]] = {"!any": _any, "!matches": _matches}
_TAGS: Final = 'the tags are !any, !matches "regex" and !one_of [a, b]'


def _plain(value: str) -> object:
    """Return the value of a scalar without quotes.

    Raises:
        ValueError: it has several meanings, or none in JSON.
    """
    if value in _NULLS:
        return None
    if value in _BOOLEANS:
        return _BOOLEANS[value]
    if value.lower() in _OTHER_BOOLEANS:
        raise ValueError(
            f'{value} is true or false for some readers of YAML; write true, false, or "{value}" in quotes'
        )
    if _NOT_FINITE.fullmatch(value):
        raise ValueError(f"{value} is not a JSON value; write a number, or quote it")
    if _INTEGER.fullmatch(value):
        return int(value)
    if _FLOAT.fullmatch(value) and (number := float(value)) not in (float("inf"), float("-inf")):
        return number
    if _LIKE_A_NUMBER.fullmatch(value):
        raise ValueError(
            f'{shown(value)} is another number, or text, for some readers of YAML; write it as in JSON, or "quote it"'
        )
    return value
