"""What the connection pool raises beside aiohttp's errors."""

from __future__ import annotations


class PoolTimeoutError(TimeoutError):
    """No connection became free in time."""


class PoolClosedError(OSError):
    """The pool is closed."""


class WriteTimeoutError(TimeoutError):
    """The request's body was not sent in time."""
