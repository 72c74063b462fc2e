"""Options of `rehearse`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class RehearseOptions:
    """Options of `rehearse`.

    Attributes:
        scenarios: names of scenarios that ship, files and folders; empty for all that ship.
        agent: the agent's command; None if `list` is set.
        list: whether to list the scenarios that ship.
        timeout: seconds for each scenario.
        json: whether to print JSON.
        junit: the file to write JUnit XML to; None for none.
    """

    scenarios: Sequence[str] = ()
    agent: str | None = None
    list: bool = False
    timeout: float
    json: bool = False
    junit: Path | None = None
