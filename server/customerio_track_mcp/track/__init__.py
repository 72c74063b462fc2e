"""An async client of the Customer.io Track API v1 that checks what it sends. It knows nothing of MCP."""

from customerio_track_mcp.track.client import TrackClient
from customerio_track_mcp.track.connection import Credentials, Patience
from customerio_track_mcp.track.delivery import Receipt
from customerio_track_mcp.track.errors import (
    InvalidArgumentsError,
    MissingCredentialsError,
    Problem,
    RateLimitedError,
    RedirectedError,
    RejectedError,
    RequestFailedError,
    TimeBudgetExceededError,
    TrackError,
    UnauthorizedError,
    UnavailableError,
)
from customerio_track_mcp.track.hosts import Region, is_loopback, region_of
from customerio_track_mcp.track.identifiers import IdType
from customerio_track_mcp.track.requests import EventType, TrackRequest

__all__ = [
    "Credentials",
    "EventType",
    "IdType",
    "InvalidArgumentsError",
    "MissingCredentialsError",
    "Patience",
    "Problem",
    "RateLimitedError",
    "Receipt",
    "RedirectedError",
    "Region",
    "RejectedError",
    "RequestFailedError",
    "TimeBudgetExceededError",
    "TrackClient",
    "TrackError",
    "TrackRequest",
    "UnauthorizedError",
    "UnavailableError",
    "is_loopback",
    "region_of",
]
