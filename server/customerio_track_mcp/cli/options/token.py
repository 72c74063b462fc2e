"""Options of `token`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenOptions:
    """Options of `token`.

    Attributes:
        name: the caller that the token is for.
        scopes: what the caller may do; empty for every tool.
        quiet: whether to print the token and the entry alone.
    """

    name: str
    scopes: Sequence[str] = ()
    quiet: bool = False
