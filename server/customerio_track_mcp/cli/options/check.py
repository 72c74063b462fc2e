"""Options of `check`."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckOptions:
    """Options of `check`.

    Attributes:
        sandbox: whether to check the sandbox instead of the workspace, or the base URL of the one to check.
    """

    sandbox: bool | str = False
