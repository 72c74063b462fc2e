"""An async client of the Customer.io Track API v1 that validates what it sends. It does not depend on MCP."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from customerio_track_mcp.track import operations
from customerio_track_mcp.track.client import TrackClient
from customerio_track_mcp.track.credentials import Credentials, credential_problem
from customerio_track_mcp.track.errors import (
    ClosedError,
    InterceptedError,
    InvalidArgumentsError,
    MissingCredentialsError,
    Problem,
    ProxyRefusedError,
    RateLimitedError,
    RedirectedError,
    RejectedError,
    RequestFailedError,
    StoppedError,
    TimeBudgetExceededError,
    TlsError,
    TrackError,
    UnauthorizedError,
    UnavailableError,
    UntrustedCertificateError,
)
from customerio_track_mcp.track.loopback import is_loopback
from customerio_track_mcp.track.observer import Attempt, Observer
from customerio_track_mcp.track.operations import EventType, TrackRequest
from customerio_track_mcp.track.printable import shorten
from customerio_track_mcp.track.rate_limit.base import RateLimiter
from customerio_track_mcp.track.rate_limit.local import LocalRateLimiter
from customerio_track_mcp.track.regions import Region, region_of
from customerio_track_mcp.track.retries import Progress
from customerio_track_mcp.track.retry_policy import RetryPolicy
from customerio_track_mcp.track.session import Receipt
from customerio_track_mcp.track.transports.certificates import named_certificates
from customerio_track_mcp.track.transports.pool import create_transport, preload
from customerio_track_mcp.track.urls import validated_url, without_api_path
from customerio_track_mcp.track.validation import limits
from customerio_track_mcp.track.validation.event_ids import new_event_id
from customerio_track_mcp.track.validation.identifiers import IdType, is_email
from customerio_track_mcp.track.validation.notes import EVENT_TIME
from customerio_track_mcp.track.validation.reserved_keys import (
    RESERVED_ATTRIBUTES,
    RESERVED_EVENT_DATA,
    RESERVED_KEYS,
    reserved_key_problems,
)
from customerio_track_mcp.track.validation.text import trim
from customerio_track_mcp.track.validation.timestamps import NOT_SECONDS, is_time_name, read_seconds

if TYPE_CHECKING:
    from customerio_track_mcp.track.rate_limit.redis_limiter import RedisRateLimiter

# A program that does not configure logging must see nothing of this package's on stderr.
logging.getLogger("customerio_track_mcp.track").addHandler(logging.NullHandler())

__all__ = [
    "EVENT_TIME",
    "NOT_SECONDS",
    "RESERVED_ATTRIBUTES",
    "RESERVED_EVENT_DATA",
    "RESERVED_KEYS",
    "Attempt",
    "ClosedError",
    "Credentials",
    "EventType",
    "IdType",
    "InterceptedError",
    "InvalidArgumentsError",
    "LocalRateLimiter",
    "MissingCredentialsError",
    "Observer",
    "Problem",
    "Progress",
    "ProxyRefusedError",
    "RateLimitedError",
    "RateLimiter",
    "Receipt",
    "RedirectedError",
    "RedisRateLimiter",
    "Region",
    "RejectedError",
    "RequestFailedError",
    "RetryPolicy",
    "StoppedError",
    "TimeBudgetExceededError",
    "TlsError",
    "TrackClient",
    "TrackError",
    "TrackRequest",
    "UnauthorizedError",
    "UnavailableError",
    "UntrustedCertificateError",
    "create_transport",
    "credential_problem",
    "is_email",
    "is_loopback",
    "is_time_name",
    "limits",
    "named_certificates",
    "new_event_id",
    "operations",
    "preload",
    "read_seconds",
    "region_of",
    "reserved_key_problems",
    "shorten",
    "trim",
    "validated_url",
    "without_api_path",
]


def __getattr__(name: str) -> object:
    # Loaded on first use: it needs the extra `redis`.
    if name == "RedisRateLimiter":
        from customerio_track_mcp.track.rate_limit.redis_limiter import RedisRateLimiter

        return RedisRateLimiter
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
