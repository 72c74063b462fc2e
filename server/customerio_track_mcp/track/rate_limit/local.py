"""The workspace's rate budget: how many requests may go to the Track API in a second."""

from __future__ import annotations

from typing import Protocol

from aiolimiter import AsyncLimiter


class RateBudget(Protocol):
    """Something that lets requests go, so many a second."""

    async def acquire(self) -> None:
        """Return when the next request may go. It never fails."""


class LocalRateBudget:
    """A budget that only this process spends.

    A tenth of a second's worth may go in a burst, so that a second sees 1.1 times the budget at the most. (Requests
    that then had to wait for a connection can still bunch up behind a stalled server.)

    Args:
        requests_per_second: the budget; fractions are allowed.
    """

    def __init__(self, requests_per_second: float) -> None:
        burst = max(1.0, requests_per_second / 10)
        self._limiter = AsyncLimiter(burst, time_period=burst / requests_per_second)

    async def acquire(self) -> None:
        """Return when the next request may go."""
        await self._limiter.acquire()
