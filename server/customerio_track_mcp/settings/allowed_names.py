"""Allow lists: how they are written in a setting, and which names they contain.

Entries are separated by commas alone, since names of events contain spaces. In an entry `*` stands for any text, and no
other character is special. Names are compared exactly, as campaigns do.
"""

from __future__ import annotations

import fnmatch
import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Final

from customerio_track_mcp.settings.suggestions import closest
from customerio_track_mcp.track import limits, shorten

MAX_ENTRIES: Final = 200
"""Entries of one list. Comparing a name with as many patterns takes less than a millisecond, whatever they are."""

TOOL_NAMES: Final = ("create_or_update_customer", "send_event", "add_customers_to_segment")
"""The tools, whose definitions are in a layer above this one."""

POLICY_URI: Final = "customerio-track://policy"
"""The resource that lists everything."""

_WILDCARD: Final = "*"
_SPECIAL: Final = re.compile(r"[?\[]")
_IN_QUOTES: Final = re.compile(r"([\"']).*\1", re.DOTALL)
_MAX_PAIRS: Final = 50
"""Pairs of patterns of two lists that are shown."""


@dataclass(frozen=True)
class AllowedNames:
    """An allow list.

    Attributes:
        entries: names, and patterns with `*`.
        source: where the operator has written the list.
        within: a list that a name must be in, too; it must not have one of its own.
    """

    entries: tuple[str, ...]
    source: str
    within: AllowedNames | None = None

    def __contains__(self, name: str) -> bool:
        """Return whether the name is allowed."""
        return self._matches(name) and (self.within is None or name in self.within)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The allowed names, as far as they are not allowed by a pattern alone."""
        return tuple(name for name in self._all_entries if _WILDCARD not in name and name in self)

    @cached_property
    def shown(self) -> tuple[str, ...]:
        """What is allowed, each as a JSON string, which ends where it seems to end."""
        if self.within is None:
            return tuple(map(quoted, self.entries))
        # An entry that both lists match, its `*` like any other character, is allowed whatever `*` stands for.
        common = [quoted(entry) for entry in self._all_entries if entry in self]
        return (*common, *islice(self._overlaps(self.within), _MAX_PAIRS))

    def listed(self, maximum: int) -> str:
        """Describe what is allowed, on one line.

        Args:
            maximum: the number of entries to name.
        """
        entries = ", ".join(self.shown[:maximum]) or "none"
        more = len(self.shown) - maximum
        others = f", and {more} more, which {POLICY_URI} lists" if more > 0 else ""
        return f"{entries}{others}{' (* stands for any text)' if _WILDCARD in entries else ''}"

    def sources_without(self, name: str) -> list[str]:
        """Return where the operator must add a name that is not allowed."""
        lists = [self] if self.within is None else [self.within, self]
        return [allowed.source for allowed in lists if not allowed._matches(name)]

    @cached_property
    def _all_entries(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((*self.entries, *(self.within.entries if self.within else ()))))

    @cached_property
    def _literals(self) -> frozenset[str]:
        return frozenset(entry for entry in self.entries if _WILDCARD not in entry)

    @cached_property
    def _patterns(self) -> dict[str, re.Pattern[str]]:
        # The standard library's translation does not backtrack: it takes linear time, however many `*` there are.
        return {
            entry: re.compile(fnmatch.translate(_SPECIAL.sub(r"[\g<0>]", entry)))
            for entry in self.entries
            if _WILDCARD in entry
        }

    def _matches(self, name: str) -> bool:
        return name in self._literals or any(pattern.match(name) for pattern in self._patterns.values())

    def _overlaps(self, other: AllowedNames) -> Iterable[str]:
        """Yield what both lists may allow, though no entry of one is allowed by the other: `a*` and `*b` allow `ab`."""
        patterns = [pattern for pattern in other._patterns if not self._matches(pattern)]
        for own in self._patterns:
            if not other._matches(own):
                yield from (f"{quoted(own)} that is also {quoted(pattern)}" for pattern in patterns)


def quoted(name: str) -> str:
    """Return `name` as a JSON string, which is one line and ends where it seems to end."""
    return json.dumps(name, ensure_ascii=False)


def event_names(value: object) -> tuple[str, ...] | None:
    """Read a list of event names and patterns.

    Args:
        value: text, or the entries.

    Raises:
        ValueError: an entry is invalid.
    """
    return _names(value, limits.EVENT_NAME_BYTES)


def attribute_names(value: object) -> tuple[str, ...] | None:
    """Read a list of attribute names and patterns, likewise."""
    return _names(value, limits.ATTRIBUTE_NAME_BYTES)


def segment_ids(value: object) -> tuple[str, ...] | None:
    """Read a list of numbers of segments, likewise; they are returned without leading zeros."""
    if (entries := _entries(value)) is None:
        return None
    return _unique(_segment_id(position, entry) for position, entry in enumerate(entries, start=1))


def tool_names(value: object) -> tuple[str, ...] | None:
    """Read a list of tools, likewise."""
    if (entries := _entries(value)) is None:
        return None
    for position, entry in enumerate(entries, start=1):
        if entry not in TOOL_NAMES:
            meant = closest(entry, TOOL_NAMES)
            suggestion = f"did you mean {meant}? The" if meant else "the"
            tools = ", ".join(TOOL_NAMES)
            raise ValueError(f"entry {position} ({shorten(entry)}) is not a tool; {suggestion} tools are {tools}")
    return _unique(entries)


def _names(value: object, max_bytes: int) -> tuple[str, ...] | None:
    if (entries := _entries(value)) is None:
        return None
    for position, entry in enumerate(entries, start=1):
        if not entry.isprintable():
            raise ValueError(
                f"entry {position} contains characters that are not printable; remove them, or write * in their place"
            )
        size = len(entry.replace(_WILDCARD, "").encode())
        if size > max_bytes:
            raise ValueError(f"entry {position} is {size} bytes long; the maximum is {max_bytes} bytes of UTF-8")
    return _unique(entries)


def _segment_id(position: int, entry: str) -> str:
    digits = entry.lstrip("0")
    is_number = entry.isascii() and entry.isdigit() and len(digits) <= len(str(limits.SEGMENT_ID_MAX))
    if not is_number or not 1 <= int(digits or "0") <= limits.SEGMENT_ID_MAX:
        raise ValueError(
            f"entry {position} is not a segment id; expected whole numbers (1 to {limits.SEGMENT_ID_MAX}), separated "
            "by commas"
        )
    return digits


def _entries(value: object) -> list[str] | None:
    """Return the entries of a list without surrounding white space; None if `value` is None."""
    if value is None:
        return None
    if isinstance(value, str):
        text = value.strip()
        if "${" in text or "{{" in text:
            raise ValueError("contains a placeholder that was not replaced")
        if _IN_QUOTES.fullmatch(text):
            raise ValueError("is in quotes; remove them")
        if text.startswith(('["', "['")):
            raise ValueError("is a JSON array; expected names separated by commas, without brackets and quotes")
        value = text.split(",")
    entries = [str(entry).strip() for entry in value] if isinstance(value, Iterable) else [str(value)]
    if len(entries) > MAX_ENTRIES:
        raise ValueError(f"contains {len(entries)} entries; the maximum is {MAX_ENTRIES}")
    if in_quotes := [position for position, entry in enumerate(entries, start=1) if _IN_QUOTES.fullmatch(entry)]:
        raise ValueError(f"entry {in_quotes[0]} is in quotes; remove them")
    if "" in entries:
        raise ValueError(f"entry {entries.index('') + 1} is empty; expected names separated by single commas")
    return entries


def _unique(entries: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(entries))
