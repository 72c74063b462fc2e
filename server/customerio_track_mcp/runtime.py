"""The composition root: rate limiter, Track API client, tool handlers and MCP server, wired in one place.

Both transports and the benchmarks get theirs from here.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from mcp.server import Server, ServerRequestContext

from customerio_track_mcp.call_reports.opening import open_call_reports
from customerio_track_mcp.confirmation_requests import ConfirmationRequests
from customerio_track_mcp.control.call import IMMEDIATE_DELIVERY
from customerio_track_mcp.control.summary import instruction_lines
from customerio_track_mcp.controls import open_controls
from customerio_track_mcp.instrumentation.calls import Caller, CallRecord, OnCall
from customerio_track_mcp.instrumentation.logs import call_log
from customerio_track_mcp.instrumentation.traces import TracingObserver, tracing
from customerio_track_mcp.instrumentation.write_log import open_write_log
from customerio_track_mcp.mcp_server import DeliveryOf, create_mcp_server
from customerio_track_mcp.resources.policy import policy_text
from customerio_track_mcp.settings.errors import SettingsError
from customerio_track_mcp.settings.server import IN_PROCESS_STORAGE, Settings
from customerio_track_mcp.tools.handlers import ToolHandlers
from customerio_track_mcp.tools.registry import TOOLS
from customerio_track_mcp.track import LocalRateLimiter, Observer, RateLimiter, TrackClient
from customerio_track_mcp.upstream import Upstream, storage_errors, workspace_key

if TYPE_CHECKING:
    from customerio_track_mcp.call_reports.correlation import CallHeaderTransport


@dataclass(frozen=True, slots=True)
class Runtime:
    """What one process serves.

    Attributes:
        server: the MCP server.
        client: the client that its tools use.
        traced: whether OpenTelemetry spans are exported.
    """

    server: Server[Any]
    client: TrackClient
    traced: bool


@asynccontextmanager
async def open_runtime(
    upstream: Upstream,
    *,
    processes: int = 1,
    observer: Observer | None = None,
    authenticates: bool = False,
    caller_of: Callable[[ServerRequestContext[Any]], Caller] = lambda _: Caller(),
    delivery_of: DeliveryOf = lambda _: IMMEDIATE_DELIVERY,
    on_call: OnCall = lambda _: None,
    on_shared_limit: Callable[[bool], None] = lambda _: None,
    on_write_log_lost: Callable[[int], None] = lambda _: None,
) -> AsyncIterator[Runtime]:
    """Create everything that one process needs to serve MCP, and close it when the block ends.

    Args:
        upstream: the Track API to call.
        processes: the number of processes of this replica, which divide its share of the rate limit.
        observer: notified of waits and attempts.
        authenticates: whether callers differ in what they may use.
        caller_of: returns who makes a request.
        delivery_of: returns how the result of a call reaches its caller.
        on_call: called after each tool call, once it is logged.
        on_shared_limit: called with whether the rate limit is shared, when that changes.
        on_write_log_lost: called with a number of calls that the write log lacks.

    Raises:
        SettingsError: a setting cannot be used.
    """
    settings = upstream.settings
    records = [call_log(settings.hash_key), on_call]

    def record(call: CallRecord) -> None:
        for add in records:
            add(call)

    async with AsyncExitStack() as stack:
        if (path := settings.write_log) is not None:
            records.append(
                stack.enter_context(
                    open_write_log(path, settings, upstream.base_url, on_write_log_lost, is_sandbox=upstream.is_sandbox)
                )
            )
        traced = stack.enter_context(tracing())
        limiter = await stack.enter_async_context(
            open_rate_limiter(upstream, processes=processes, on_change=on_shared_limit)
        )
        if traced:
            observer = TracingObserver(observer or Observer())
        client = await stack.enter_async_context(
            create_client(
                settings,
                upstream.base_url,
                rate_limiter=limiter,
                observer=observer,
                is_sandbox=upstream.is_sandbox,
            )
        )
        if (reports := await stack.enter_async_context(open_call_reports(upstream, TOOLS))) is not None:
            records.append(reports.on_call)
        controls = await stack.enter_async_context(
            open_controls(upstream, processes=processes, authenticates=authenticates)
        )
        # Who agreed to a rehearsal has not agreed to the call.
        audience = f"{workspace_key(upstream)}{' dry run' if settings.dry_run else ''}"
        confirmations = ConfirmationRequests(settings.request_state_key, audience) if settings.confirm else None
        # A dry run needs no credentials: it is also a rehearsal without an account.
        missing_credentials = "" if settings.dry_run else settings.missing_credentials
        handlers = ToolHandlers(client, settings.allow_reserved_keys, missing_credentials, controls)
        server = create_mcp_server(
            handlers,
            "\n".join(filter(None, (upstream.note, *instruction_lines(settings)))),
            policy=partial(policy_text, settings, upstream.note),
            restrictions=settings.restrictions,
            authenticates=authenticates,
            caller_of=caller_of,
            delivery_of=delivery_of,
            call_reports=reports,
            confirmations=confirmations,
            on_call=record,
            destination=upstream.destination,
            traced=traced,
        )
        yield Runtime(server, client, traced)


def create_client(
    settings: Settings,
    base_url: str,
    *,
    rate_limiter: RateLimiter | None = None,
    observer: Observer | None = None,
    is_sandbox: bool = False,
) -> TrackClient:
    """Create a client of the workspace at `base_url`.

    Args:
        settings: credentials and retries.
        base_url: the Track API's base URL.
        rate_limiter: None for one of the client's own, at `settings.rate_limit`.
        observer: notified of waits and attempts.
        is_sandbox: whether it is a sandbox, whose requests name the tool call that sends them.

    Raises:
        SettingsError: the proxy or certificate variables of the environment cannot be used.
    """
    try:
        transport = _sandbox_transport(base_url) if is_sandbox else None
        return TrackClient(
            settings.credentials,
            base_url,
            allow_http=True,  # the settings have validated the URL, which may be http for a sandbox alone
            rate_limiter=rate_limiter or LocalRateLimiter(settings.rate_limit),
            retry_policy=settings.retry_policy,
            observer=observer,
            transport=transport,
        )
    except (OSError, ValueError) as error:
        raise SettingsError([str(error)]) from None


def _sandbox_transport(base_url: str) -> CallHeaderTransport:
    # Both import httpx, which a server of a workspace imports with its first request.
    from customerio_track_mcp.call_reports.correlation import CallHeaderTransport
    from customerio_track_mcp.track import create_transport

    return CallHeaderTransport(create_transport(base_url))


@asynccontextmanager
async def open_rate_limiter(
    upstream: Upstream, *, processes: int = 1, on_change: Callable[[bool], None] = lambda _: None
) -> AsyncIterator[RateLimiter]:
    """Create the rate limiter that the settings ask for, and close it when the block ends.

    Args:
        upstream: the workspace, its rate limit, and where the limit is kept.
        processes: the number of processes of this replica, which divide its share.
        on_change: called with whether the limit is shared, when that changes.

    Raises:
        SettingsError: the storage cannot be used.
    """
    settings = upstream.settings
    share = LocalRateLimiter(settings.rate_limit / (settings.replicas * processes))
    storage = settings.rate_limit_storage.get_secret_value()
    if storage == IN_PROCESS_STORAGE:
        yield share
        return
    with storage_errors():
        from customerio_track_mcp.track import RedisRateLimiter

        limiter = RedisRateLimiter(storage, workspace_key(upstream), settings.rate_limit, share, on_change)
    async with aclosing(limiter):
        yield limiter
