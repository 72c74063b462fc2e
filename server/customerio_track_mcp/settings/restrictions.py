"""What an operator allows: tools, events, segments and attributes, on the whole server or for one caller."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from functools import lru_cache
from typing import Final

from customerio_track_mcp.settings.allowed_names import AllowedNames

_MAX_REMEMBERED: Final = 1024
"""Combinations of restrictions that are remembered: as many callers as can have some of their own."""


@dataclass(frozen=True, slots=True)
class Restrictions:
    """Allow lists. None allows everything of that kind.

    Attributes:
        tools: the tools that may be used.
        events: the names of events that may be sent.
        segments: the numbers of the segments that may be added to, without leading zeros.
        attributes: the names of the attributes that may be set; `email` may always be.
    """

    tools: AllowedNames | None = None
    events: AllowedNames | None = None
    segments: AllowedNames | None = None
    attributes: AllowedNames | None = None

    def __bool__(self) -> bool:
        """Return whether anything is restricted."""
        return any(getattr(self, field.name) is not None for field in fields(self))

    def within(self, outer: Restrictions) -> Restrictions:
        """Return what both allow.

        Args:
            outer: restrictions that are not the result of this method.
        """
        if not outer:
            return self
        return _within(self, outer) if self else outer


UNRESTRICTED: Final = Restrictions()


@lru_cache(maxsize=_MAX_REMEMBERED)
def _within(inner: Restrictions, outer: Restrictions) -> Restrictions:
    return Restrictions(*(_both(getattr(inner, field.name), getattr(outer, field.name)) for field in fields(inner)))


def _both(inner: AllowedNames | None, outer: AllowedNames | None) -> AllowedNames | None:
    if inner is None:
        return outer
    return inner if outer is None else replace(inner, within=outer)
