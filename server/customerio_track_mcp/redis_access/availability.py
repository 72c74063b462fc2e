"""Whether Redis responds, as one of its users sees it."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Final

import anyio

_RETRY_DELAY: Final = 2.0
"""Seconds before a Redis that did not respond is asked again."""


class Availability:
    """Whether Redis responds. Each change is reported once.

    Args:
        on_lost: called with the class of the error when Redis no longer responds. The error's text may contain the URL,
            and with it a password.
        on_back: called when it responds again.
        on_change: called with whether it responds, at the first request and at every change.
    """

    def __init__(
        self, on_lost: Callable[[str], None], on_back: Callable[[], None], on_change: Callable[[bool], None]
    ) -> None:
        self._on_lost = on_lost
        self._on_back = on_back
        self._on_change = on_change
        self._responds: bool | None = None
        self._ask_again_at = -math.inf

    @property
    def is_worth_asking(self) -> bool:
        """Whether Redis should be asked: it has not failed in the last two seconds."""
        return anyio.current_time() >= self._ask_again_at

    def lost(self, error: Exception) -> None:
        """Record that a request to Redis failed."""
        self._ask_again_at = anyio.current_time() + _RETRY_DELAY
        if self._responds is not False:
            self._responds = False
            self._on_lost(type(error.__cause__ or error).__name__)
            self._on_change(False)

    def found(self) -> None:
        """Record that Redis has responded."""
        if not self._responds:
            if self._responds is False:
                self._on_back()
            self._responds = True
            self._on_change(True)
