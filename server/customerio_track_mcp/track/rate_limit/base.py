"""The interface of a rate limiter."""

from __future__ import annotations

from typing import Protocol


class RateLimiter(Protocol):
    """Spreads requests over time, so that a workspace's rate limit is kept."""

    async def acquire(self) -> None:
        """Return when the next request may be sent. Never raises."""
