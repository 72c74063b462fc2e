"""How often a request is tried and how long each step may take."""

from __future__ import annotations

from dataclasses import dataclass


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
    """

    connect_timeout: float = 5.0
    read_timeout: float = 10.0
    write_timeout: float = 10.0
    pool_timeout: float = 10.0
    max_attempts: int = 4
    time_budget: float = 30.0
    initial_backoff: float = 0.5
