"""How often a request is tried and how long each step may take."""

from __future__ import annotations

from dataclasses import dataclass

from customerio_track_mcp.track.validation.numbers import require_count, require_positive


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """Timeouts, attempts and backoff. All times are in seconds.

    Attributes:
        connect_timeout: for a connection, TLS handshake included.
        read_timeout: between two received chunks.
        write_timeout: for the request's body.
        pool_timeout: for a free connection.
        max_attempts: attempts per call, the first one included.
        time_budget: for one call as a whole: the wait for the rate limit, every attempt, and the backoff between them.
        initial_backoff: the wait after the first failed attempt. It doubles with each further one, plus a random part
            of up to `initial_backoff`, up to 8 seconds. A longer `Retry-After` takes precedence.

    Raises:
        ValueError: a timeout or the time budget is not a finite number above 0, `initial_backoff` not one of at least
            0, or `max_attempts` not a whole number of at least 1.
    """

    connect_timeout: float = 5.0
    read_timeout: float = 10.0
    write_timeout: float = 10.0
    pool_timeout: float = 10.0
    max_attempts: int = 4
    time_budget: float = 30.0
    initial_backoff: float = 0.5

    def __post_init__(self) -> None:
        for name in ("connect_timeout", "read_timeout", "write_timeout", "pool_timeout", "time_budget"):
            require_positive(name, getattr(self, name))
        require_positive("initial_backoff", self.initial_backoff, or_zero=True)
        require_count("max_attempts", self.max_attempts)
