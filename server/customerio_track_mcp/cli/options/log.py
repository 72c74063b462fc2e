"""Options of `log`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class LogOptions:
    """Options of `log`.

    Attributes:
        files: the write logs; `-` is standard input.
        since: the time from which on calls count; None for all.
        json: whether to print JSON.
    """

    files: Sequence[str]
    since: datetime | None = None
    json: bool = False
