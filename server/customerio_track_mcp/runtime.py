"""The rate budget as the settings want it: this process's own, or one shared through Redis."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager

from customerio_track_mcp.settings.base import BadSettingsError
from customerio_track_mcp.settings.server import Settings
from customerio_track_mcp.track import LocalRateBudget, RateBudget


@asynccontextmanager
async def rate_budget(
    settings: Settings,
    base_url: str,
    *,
    processes: int = 1,
    on_change: Callable[[bool], None] = lambda _: None,
) -> AsyncIterator[RateBudget]:
    """The budget for requests to the workspace at `base_url`.

    Args:
        settings: the rate, the storage, and the number of replicas.
        base_url: the Track API's base URL.
        processes: how many processes of this replica divide its share.
        on_change: told whether the budget is shared.

    Raises:
        BadSettingsError: the storage can't be used as it is named, or the extra `redis` is not installed.
    """
    share = LocalRateBudget(settings.rate_limit / (settings.replicas * processes))
    storage = settings.rate_limit_storage.get_secret_value()
    if storage == "memory://":
        yield share
        return
    try:
        from customerio_track_mcp.track.rate_limit.redis_limiter import SharedRateBudget

        budget = SharedRateBudget(storage, _key(settings, base_url), settings.rate_limit, share, on_change)
    except ImportError:
        raise BadSettingsError(
            ["CUSTOMERIO_RATE_LIMIT_STORAGE names Redis, which needs packages: install the extra 'redis'"]
        ) from None
    except ValueError:
        # The error's own text may hold the password.
        raise BadSettingsError(["CUSTOMERIO_RATE_LIMIT_STORAGE: is no URL of a Redis"]) from None
    async with aclosing(budget):
        yield budget


def _key(settings: Settings, base_url: str) -> str:
    """What all processes that write to one workspace have in common; the Site ID itself is nobody else's business."""
    site_id = settings.credentials.site_id if settings.credentials else ""
    return hashlib.sha256(f"{base_url} {site_id}".encode()).hexdigest()[:16]
