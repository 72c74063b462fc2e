"""A rate limiter for one process."""

from __future__ import annotations

from aiolimiter import AsyncLimiter

from customerio_track_mcp.track.validation.numbers import require_positive


class LocalRateLimiter:
    """Limits the requests of this process only.

    A tenth of a second's worth of requests may be sent in a burst, so that a second sees at most 1.1 times the limit.
    (Requests that then wait for a connection can still bunch up behind a stalled server.)

    Args:
        requests_per_second: the limit; fractions are allowed.

    Raises:
        ValueError: `requests_per_second` is not a finite number above 0.
    """

    def __init__(self, requests_per_second: float) -> None:
        require_positive("requests_per_second", requests_per_second)
        burst = max(1.0, requests_per_second / 10)
        self._limiter = AsyncLimiter(burst, time_period=burst / requests_per_second)

    async def acquire(self) -> None:
        """Return when the next request may be sent."""
        await self._limiter.acquire()
