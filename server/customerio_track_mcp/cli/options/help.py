"""Options of `help`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class HelpOptions:
    """Options of `help`.

    Attributes:
        command: the command to show the help of; None for that of all.
    """

    command: str | None
