"""One process of the service, put together from the settings."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import partial

from customerio_track_mcp.http.app import http_app
from customerio_track_mcp.http.auth.authenticator import Access
from customerio_track_mcp.http.health import Readiness, in_the_way
from customerio_track_mcp.http.server import serve
from customerio_track_mcp.instrumentation.calls import CallRecord
from customerio_track_mcp.instrumentation.logs import call_log
from customerio_track_mcp.instrumentation.metrics import Metrics
from customerio_track_mcp.instrumentation.traces import Traced, tracing
from customerio_track_mcp.mcp_server import build_server
from customerio_track_mcp.runtime import rate_budget
from customerio_track_mcp.settings.http import HttpSettings
from customerio_track_mcp.settings.server import Settings
from customerio_track_mcp.signals import signals
from customerio_track_mcp.tools.handlers import Tools
from customerio_track_mcp.track import Observer

_PROBE_SECONDS = 3.0


@dataclass(frozen=True, kw_only=True)
class Service:
    """What one process serves.

    Attributes:
        settings: the workspace and the logs.
        http_settings: who may come in, how much, and how it ends.
        access: the checks by `http_settings`.
        base_url: the Track API's base URL.
        host: the address that `listener` listens on.
        note: a last line for the MCP server's instructions.
        processes: how many processes share this address.
    """

    settings: Settings
    http_settings: HttpSettings
    access: Access
    base_url: str
    host: str
    note: str = ""
    processes: int = 1

    async def run(
        self,
        listener: socket.socket,
        ready: Callable[[], None],
        signals: Callable[[], AsyncIterator[None]] = signals,
    ) -> None:
        """Serve until a signal ends it; see `serve`.

        Args:
            listener: a socket that listens.
            ready: called once requests are answered.
            signals: what ends it; SIGTERM and SIGINT, unless somebody else hears of them for it.

        Raises:
            BadSettingsError: a setting can't be used.
        """
        metrics = Metrics()
        log = call_log(self.settings.hash_key)

        def on_call(call: CallRecord) -> None:
            log(call)
            metrics.call(call)

        async with AsyncExitStack() as stack:
            traced = stack.enter_context(tracing())
            budget = await stack.enter_async_context(
                rate_budget(self.settings, self.base_url, processes=self.processes, on_change=metrics.shared)
            )
            observer: Observer = Traced(metrics) if traced else metrics
            client = await stack.enter_async_context(
                self.settings.track_client(self.base_url, budget=budget, observer=observer)
            )
            readiness = Readiness(await self._probe(stack))
            server = build_server(
                Tools(client, self.settings.allow_reserved_keys),
                self.note,
                caller_of=self.access.caller_of,
                on_call=on_call,
            )
            app = http_app(
                server,
                self.http_settings,
                self.host,
                access=self.access,
                readiness=readiness,
                metrics=metrics,
                traced=traced,
            )
            await serve(
                app,
                listener,
                self.http_settings,
                ready=ready,
                drain=readiness.drain,
                end_calls=client.stop,
                signals=signals,
            )

    async def _probe(self, stack: AsyncExitStack) -> Callable[[], Awaitable[str]]:
        """Asks the Track API once and briefly, on a connection and a budget of its own: health is not to wait."""
        region = self.settings.region if self.base_url == self.settings.region.track_url else None
        prober = self.settings.model_copy(update={"max_attempts": 1, "time_budget": _PROBE_SECONDS})
        client = await stack.enter_async_context(prober.track_client(self.base_url))
        return partial(in_the_way, client, region)
