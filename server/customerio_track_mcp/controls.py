"""Which controls a server with these settings has, in their order."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager

from customerio_track_mcp.control.asking import ANSWER_TIMEOUT
from customerio_track_mcp.control.chain import Control
from customerio_track_mcp.control.confirmation import Confirmation
from customerio_track_mcp.control.dry_run import DryRun
from customerio_track_mcp.control.once.fingerprint import Fingerprints
from customerio_track_mcp.control.once.idempotency_keys import IdempotencyKeys
from customerio_track_mcp.control.once.joining import Joining
from customerio_track_mcp.control.once.memory import Memory, ProcessMemory
from customerio_track_mcp.control.once.resend_memory import ResendMemory
from customerio_track_mcp.control.pause import Pause
from customerio_track_mcp.control.policy import Policy
from customerio_track_mcp.control.quotas.control import Quotas
from customerio_track_mcp.control.quotas.local import LocalCounters
from customerio_track_mcp.control.quotas.shares import is_shared, maxima_per_hour, shares_per_hour
from customerio_track_mcp.settings.server import IN_PROCESS_STORAGE
from customerio_track_mcp.upstream import Upstream, storage_errors, workspace_key


@asynccontextmanager
async def open_controls(
    upstream: Upstream, *, processes: int = 1, authenticates: bool = False
) -> AsyncIterator[Sequence[Control]]:
    """Create the controls that the settings ask for, the first one first, and close them when the block ends.

    What is not set is not among them, and costs nothing. The order matters: what is refused is not asked, what is asked
    is not counted before somebody agrees, and a dry run is decided upon as a request is.

    Args:
        upstream: the workspace and the settings. Its rate limiter must have been opened before: if the storage cannot
            be used, that reports it.
        processes: the number of processes of this replica.
        authenticates: whether callers can have restrictions of their own.

    Raises:
        SettingsError: a setting cannot be used.
    """
    settings = upstream.settings
    fingerprints = Fingerprints(settings.fingerprint_key)
    pause = [Pause(settings.pause_file)] if settings.pause_file is not None else []
    async with AsyncExitStack() as stack:
        controls: list[Control] = [*pause]
        if settings.restrictions or authenticates:
            controls.append(Policy())
        controls += [IdempotencyKeys(fingerprints), Joining(fingerprints)]
        if settings.resend_window:
            memory = await stack.enter_async_context(open_memory(upstream))
            is_sole_process = processes * settings.replicas == 1
            controls.append(ResendMemory(memory, fingerprints, settings.resend_window, is_sole_process=is_sole_process))
        if settings.confirm:
            is_required = settings.confirm_fallback == "refuse"
            controls.append(Confirmation(settings.confirm, is_required=is_required, is_dry_run=settings.dry_run))
            controls += pause  # which may have begun while a person was asked
        controls += await stack.enter_async_context(open_quotas(upstream, processes=processes))
        if settings.dry_run:
            controls.append(DryRun())
        yield controls


@asynccontextmanager
async def open_quotas(upstream: Upstream, *, processes: int = 1) -> AsyncIterator[Sequence[Quotas]]:
    """Create the control that keeps the maxima per hour, and close it when the block ends; none without a maximum.

    Args:
        upstream: the workspace, the maxima, and where they are counted. A dry run is counted in this process only.
        processes: the number of processes of this replica, which divide its share.

    Raises:
        SettingsError: the storage cannot be used, or a process would have no share.
    """
    settings = upstream.settings
    maxima, shares = maxima_per_hour(settings), shares_per_hour(settings, processes)
    if not maxima:
        yield ()
    elif not is_shared(settings):
        yield (Quotas(maxima, LocalCounters(shares, are_shares=shares != maxima)),)
    elif settings.dry_run:
        yield (Quotas(maxima, LocalCounters(maxima)),)
    else:
        with storage_errors():
            from customerio_track_mcp.control.quotas.redis_counters import RedisCounters

            storage = settings.rate_limit_storage.get_secret_value()
            counters = RedisCounters(storage, workspace_key(upstream), maxima, LocalCounters(shares))
        async with aclosing(counters):
            yield (Quotas(maxima, counters),)


@asynccontextmanager
async def open_memory(upstream: Upstream) -> AsyncIterator[Memory]:
    """Create the memory of event ids, and close it when the block ends.

    Args:
        upstream: the workspace, and where its rate limit is kept. That must have been opened before: if it cannot be
            used, `open_rate_limiter` reports it.
    """
    settings = upstream.settings
    storage = settings.rate_limit_storage.get_secret_value()
    # With 2025-11-25, a call waits for the person's answer.
    longest_call = settings.time_budget + (ANSWER_TIMEOUT if settings.confirm else 0)
    # A rehearsal must not change what other processes do.
    if storage == IN_PROCESS_STORAGE or settings.dry_run:
        yield ProcessMemory(settings.resend_window, longest_call)
        return
    from customerio_track_mcp.control.once.redis_memory import open_redis_memory

    key = workspace_key(upstream)
    async with open_redis_memory(storage, key, settings.resend_window, longest_call) as memory:
        yield memory
