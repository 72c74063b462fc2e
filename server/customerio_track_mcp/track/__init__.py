"""An async client of the Customer.io Track API v1 that checks what it sends. It knows nothing of MCP."""

from customerio_track_mcp.track.client import TrackClient
from customerio_track_mcp.track.errors import (
    InvalidArgumentsError,
    MissingCredentialsError,
    Problem,
    RateLimitedError,
    RedirectedError,
    RejectedError,
    RequestFailedError,
    StoppedError,
    TimeBudgetExceededError,
    TrackError,
    UnauthorizedError,
    UnavailableError,
)
from customerio_track_mcp.track.observer import Attempt, Observer
from customerio_track_mcp.track.operations import EventType, TrackRequest
from customerio_track_mcp.track.rate_limit.local import LocalRateBudget, RateBudget
from customerio_track_mcp.track.regions import Region, is_loopback, region_of
from customerio_track_mcp.track.retries import Progress, Receipt
from customerio_track_mcp.track.session import Credentials, Patience
from customerio_track_mcp.track.validation.identifiers import IdType

__all__ = [
    "Attempt",
    "Credentials",
    "EventType",
    "IdType",
    "InvalidArgumentsError",
    "LocalRateBudget",
    "MissingCredentialsError",
    "Observer",
    "Patience",
    "Problem",
    "Progress",
    "RateBudget",
    "RateLimitedError",
    "Receipt",
    "RedirectedError",
    "Region",
    "RejectedError",
    "RequestFailedError",
    "StoppedError",
    "TimeBudgetExceededError",
    "TrackClient",
    "TrackError",
    "TrackRequest",
    "UnauthorizedError",
    "UnavailableError",
    "is_loopback",
    "region_of",
]
