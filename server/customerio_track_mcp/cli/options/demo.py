"""Options of `demo`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoOptions:
    """Options of `demo`.

    Attributes:
        open: whether to show it on the sandbox's page, which stays until it is stopped.
    """

    open: bool = False
