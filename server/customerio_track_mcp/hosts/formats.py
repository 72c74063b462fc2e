"""What each configuration format can do: read a text, and change one entry of it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

Path = tuple[str, ...]
"""The keys that lead to an entry, outermost first: `("mcpServers", "customerio-track")`."""


class ConfigFormat(Protocol):
    """A configuration format that is edited in place: everything outside the entry stays as it is, byte for byte.

    An empty text is an empty configuration. Each function raises `ConfigSyntaxError` if the text is not valid, if one
    of the keys is there twice, or if what must contain other keys does not.
    """

    def parse(self, text: str) -> dict[str, Any]:
        """Return the whole configuration."""

    def put(self, text: str, path: Path, entry: Mapping[str, Any]) -> str:
        """Return the text with the entry at `path` added or replaced."""

    def remove(self, text: str, path: Path) -> str:
        """Return the text without the entry at `path`, which must be there."""


def changed(tree: Mapping[str, Any], path: Path, entry: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return `tree` with the entry at `path` replaced, or without it if `entry` is None."""
    first, rest = path[0], path[1:]
    copy = dict(tree)
    if rest:
        copy[first] = changed(copy.get(first, {}), rest, entry)
    elif entry is None:
        del copy[first]
    else:
        copy[first] = dict(entry)
    return copy


def without_empty(tree: Mapping[str, Any], path: Path) -> dict[str, Any]:
    """Return `tree` without the tables that lead to `path`, as far as they are empty.

    A TOML table whose only content was removed may be gone, which means the same to a host.
    """
    first, rest = path[0], path[1:]
    copy = dict(tree)
    if rest and first in copy:
        copy[first] = without_empty(copy[first], rest)
        if not copy[first]:
            del copy[first]
    return copy
