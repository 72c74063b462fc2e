"""Keys in `attributes` and `data` that Customer.io acts on instead of storing them.

A model, or text that a model has read, must not be able to redirect mail, change consent or merge identities. So these
keys are rejected unless the operator allows them by name. Source: the vendor's Track API reference, operations
`identify` and `track`.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Mapping
from itertools import dropwhile, islice
from typing import Final

from customerio_track_mcp.track.errors import MAX_PROBLEMS_SHOWN, Problem
from customerio_track_mcp.track.printable import shorten
from customerio_track_mcp.track.validation.limits import EVENT_DATA_BYTES
from customerio_track_mcp.track.validation.ordinary import are_lines_of, lines_of
from customerio_track_mcp.track.validation.sizes import names_fit

RESERVED_ATTRIBUTES: Final[Mapping[str, str]] = {
    "id": "it changes who the person is",
    "cio_id": "it changes who the person is",
    "anonymous_id": "it links anonymous activity to this person permanently",
    "unsubscribed": "it changes the person's consent to receive mail",
    "cio_subscription_preferences": "it changes the person's consent to receive mail",
    "cio_relationships": "it links the person to objects such as accounts",
    "_update": "it decides whether a missing person is created",
    "_timestamp": "it decides which of two updates wins",
}
"""Reserved attribute names, each with what it does."""

RESERVED_EVENT_DATA: Final[Mapping[str, str]] = {
    "recipient": "it sends the campaign's message to another address",
    "from_address": "it changes the sender of the campaign's message",
    "reply_to": "it changes who receives replies to the campaign's message",
}
"""Reserved keys of event data, each with what it does."""

RESERVED_KEYS: Final = frozenset(RESERVED_ATTRIBUTES) | frozenset(RESERVED_EVENT_DATA)

_ORDINARY_IN_OTHER_CASE: Final = frozenset({"id"})
"""`ID` and `Id` are usual names of columns. Attribute names are case-sensitive, so they do not change an identity."""

_MAX_ROOT_CHARACTERS: Final = 64
"""More than any reserved key has: a compatibility form of a character is never shorter in ASCII."""

_SEPARATORS: Final = ".[]\"'"
_ROOT: Final = re.compile(rf"[^{re.escape(_SEPARATORS)}]*")
_WORDS: Final = re.compile(r"(?:[A-Za-z0-9_-]+\n)*+")
# Printable, but never visible by themselves: combining grapheme joiner, fillers, variation selectors.
_INVISIBLE: Final = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0100-\U000e01ef]"
)


def reserved_key_problems(
    parameter: str, given: Mapping[str, object] | None, reserved: Mapping[str, str], allowed: Collection[str]
) -> list[Problem]:
    """Report the first keys of `given` that are reserved and not allowed, and those that look like them.

    These are keys in dot or bracket notation, in another case, in full-width letters, and with invisible characters. If
    the names are larger than an event can be, nothing is reported: such attributes and such data are invalid anyway.

    Args:
        parameter: the name to report.
        given: attributes or event data as the caller sent them.
        reserved: reserved keys, each with what it does.
        allowed: the reserved keys that the operator allows.
    """
    if not given or not names_fit(given, EVENT_DATA_BYTES) or _are_other_words(given, reserved):
        return []
    rejected = ((key, name) for key in given if (name := _reserved_name(key, reserved)) and name not in allowed)
    return [_problem(parameter, key, name, reserved[name]) for key, name in islice(rejected, MAX_PROBLEMS_SHOWN)]


def _are_other_words(keys: Collection[str], reserved: Mapping[str, str]) -> bool:
    """Return whether all `keys` are words of ASCII letters and digits, none of them reserved in any case."""
    lines = lines_of(keys)
    return are_lines_of(_WORDS, lines, len(keys)) and reserved.keys().isdisjoint(lines.lower().split("\n"))


def _problem(parameter: str, key: str, name: str, reason: str) -> Problem:
    allow = f"an operator can allow it with the setting CUSTOMERIO_ALLOW_RESERVED_KEYS={name}"
    text = f"is a reserved key, because {reason}; omit it ({allow})"
    if not key.strip(_SEPARATORS).startswith(name):
        text = f"looks like the reserved key {name} ({reason}); omit it or use another name ({allow})"
    return Problem(f"{parameter}.{shorten(key)}", text)


def _reserved_name(key: str, reserved: Mapping[str, str]) -> str:
    """Return the reserved key that `key` is or looks like; empty if there is none."""
    root = _root(key)
    if root in reserved:
        return root
    name = root.casefold()
    return name if name in reserved and name not in _ORDINARY_IN_OTHER_CASE else ""


def _root(key: str) -> str:
    """Return what precedes the first dot or bracket, in compatibility form (NFKC) and without invisible characters."""
    if key.isascii() and key.isprintable():
        found = _ROOT.match(key.replace(" ", "").lstrip(_SEPARATORS))
        return found[0] if found else ""
    visible = (char for char in key if char.isprintable() and not char.isspace() and not _INVISIBLE.match(char))
    name = dropwhile(_SEPARATORS.__contains__, visible)
    # Cut before it is normalized, which takes quadratic time for combining characters.
    head = "".join(islice(name, _MAX_ROOT_CHARACTERS))
    found = _ROOT.match(unicodedata.normalize("NFKC", head).lstrip(_SEPARATORS))
    return found[0] if found else ""
