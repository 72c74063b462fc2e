"""One process of the HTTP service: runtime, application and server."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial
from typing import Final

from customerio_track_mcp.http.app import create_app
from customerio_track_mcp.http.auth.authenticator import Authenticator
from customerio_track_mcp.http.health import ProbeResult, Readiness, no_probe, probe_upstream
from customerio_track_mcp.http.middleware.delivery import delivery_of
from customerio_track_mcp.http.server import serve
from customerio_track_mcp.instrumentation.metrics import Metrics
from customerio_track_mcp.runtime import create_client, open_runtime
from customerio_track_mcp.settings.http import HttpSettings
from customerio_track_mcp.signals import signals
from customerio_track_mcp.tools.registry import TOOLS
from customerio_track_mcp.upstream import Upstream

_PROBE_TIMEOUT: Final = 3.0
"""Seconds; load balancers and the files for Kubernetes wait five for `/readyz`."""


@dataclass(frozen=True)
class Service:
    """What one process serves.

    Attributes:
        upstream: the Track API to call.
        settings: who may call, limits, shutdown.
        authenticator: checks callers by `settings`.
        host: the address that the listener is bound to.
        processes: the number of processes that share this address.
    """

    upstream: Upstream
    settings: HttpSettings
    authenticator: Authenticator
    host: str
    processes: int = 1

    async def run(
        self,
        listener: socket.socket,
        on_ready: Callable[[], None],
        signals: Callable[[], AsyncIterator[None]] = signals,
    ) -> None:
        """Serve until a signal stops it; see `server.serve`.

        Args:
            listener: a listening socket.
            on_ready: called once requests are answered.
            signals: yields for each signal; by default SIGTERM and SIGINT.

        Raises:
            SettingsError: a setting cannot be used.
        """
        metrics = Metrics(TOOLS)
        async with AsyncExitStack() as stack:
            runtime = await stack.enter_async_context(
                open_runtime(
                    self.upstream,
                    processes=self.processes,
                    observer=metrics,
                    authenticates=self.settings.requires_authentication,
                    caller_of=self.authenticator.caller_of,
                    delivery_of=delivery_of,
                    on_call=metrics.call,
                    on_shared_limit=metrics.shared,
                    on_write_log_lost=metrics.write_log_lost,
                )
            )
            readiness = Readiness(
                await self._probe(stack),
                metrics.upstream_reachable,
                is_dry_run=self.upstream.settings.dry_run,
            )
            app = create_app(
                runtime.server,
                self.settings,
                self.host,
                authenticator=self.authenticator,
                readiness=readiness,
                metrics=metrics,
                traced=runtime.traced,
            )
            await serve(
                app,
                listener,
                self.settings,
                on_ready=on_ready,
                drain=readiness.drain,
                end_calls=runtime.client.stop,
                on_refused_connection=metrics.refused_connection,
                signals=signals,
            )

    async def _probe(self, stack: AsyncExitStack) -> Callable[[], Awaitable[ProbeResult]]:
        """Return a probe that asks the Track API once, with its own connection and rate limit: it must not wait."""
        settings, base_url = self.upstream.settings, self.upstream.base_url
        if settings.dry_run:
            return no_probe
        region = settings.region if base_url == settings.region.track_url else None
        probe_settings = settings.model_copy(update={"max_attempts": 1, "time_budget": _PROBE_TIMEOUT})
        client = await stack.enter_async_context(create_client(probe_settings, base_url))
        return partial(probe_upstream, client, region)
