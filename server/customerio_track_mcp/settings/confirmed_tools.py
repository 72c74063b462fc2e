"""Which tools ask a person first."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from customerio_track_mcp.settings.allowed_names import TOOL_NAMES
from customerio_track_mcp.settings.validators import split
from customerio_track_mcp.track import limits

_FOR_SEVERAL_PEOPLE: Final = "add_customers_to_segment"
_ENTRY: Final = re.compile(r"([a-z_]+)(?:>([0-9]{1,4}))?")
_EXPECTED: Final = (
    f"invalid entry: expected {' or '.join(TOOL_NAMES)}; "
    f"{_FOR_SEVERAL_PEOPLE}>50 asks for more than 50 people, of which a call has up to "
    f"{limits.SEGMENT_IDS_PER_CALL}; separate several by commas"
)


@dataclass(frozen=True, slots=True)
class ConfirmedTool:
    """A tool that asks a person first.

    Attributes:
        name: the tool's name.
        people_without_question: up to this number of people, it does not ask.
    """

    name: str
    people_without_question: int = 0

    def __str__(self) -> str:
        """Return the notation of the setting."""
        return f"{self.name}>{self.people_without_question}" if self.people_without_question else self.name


def validated_confirmed_tools(value: object) -> object:
    """Split a setting into tools, each with the number of people up to which it does not ask.

    Raises:
        ValueError: one of them is not valid.
    """
    words = split(re.sub(r"\s*>\s*", ">", value.lower()) if isinstance(value, str) else value)
    if not isinstance(words, Iterable):
        return words
    return tuple(word if isinstance(word, ConfirmedTool) else _parse(str(word)) for word in words)


def _parse(word: str) -> ConfirmedTool:
    match = _ENTRY.fullmatch(word)
    if match is None or match[1] not in TOOL_NAMES:
        raise ValueError(_EXPECTED)
    people = int(match[2] or 0)
    if people >= (limits.SEGMENT_IDS_PER_CALL if match[1] == _FOR_SEVERAL_PEOPLE else 1):
        raise ValueError(_EXPECTED)
    return ConfirmedTool(match[1], people)
