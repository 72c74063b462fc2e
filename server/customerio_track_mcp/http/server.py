"""The ASGI server: uvicorn with a graceful shutdown that answers every call in flight."""

from __future__ import annotations

import logging
import socket
import sys
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Final

import anyio
import uvicorn
from sse_starlette.sse import AppStatus
from starlette.types import ASGIApp

from customerio_track_mcp.http.client_timeouts import client_timeouts
from customerio_track_mcp.http.connection_limit import ACCEPTS_AT_ONCE, ConnectionLimit, logging_accept_failures
from customerio_track_mcp.http.open_files import connections_within, raise_open_file_limit
from customerio_track_mcp.http.periodic_count import PeriodicCount
from customerio_track_mcp.http.request_parser import protocol_above
from customerio_track_mcp.http.small_reads import READ_BYTES
from customerio_track_mcp.settings.http import HttpSettings
from customerio_track_mcp.signals import signals

logger = logging.getLogger("customerio_track_mcp.http")

QUEUED_CONNECTIONS: Final = 1024
"""Connections that the system keeps until they are accepted."""

SECONDS_TO_RESPOND: Final = 3
"""For the responses to calls that were ended to reach their callers."""

_LOG_SECONDS: Final = 10


async def serve(
    app: ASGIApp,
    listener: socket.socket,
    settings: HttpSettings,
    *,
    on_ready: Callable[[], None],
    drain: Callable[[], None],
    end_calls: Callable[[], None],
    on_refused_connection: Callable[[], None] = lambda: None,
    signals: Callable[[], AsyncIterator[None]] = signals,
) -> None:
    """Serve until a signal arrives, then let the calls in flight finish.

    First the service reports that it is not ready and continues for the drain delay. Then it accepts no more calls and
    waits for those in flight during the grace period. Calls left after that are ended, each with its response. A second
    signal ends them at once, a third one ends everything.

    Args:
        app: what to serve.
        listener: a listening socket, which is detached and closed at the end.
        settings: the drain delay, the grace period, the timeouts and the maximum of connections.
        on_ready: called once requests are answered.
        drain: called at the first signal.
        end_calls: called to end the calls in flight.
        on_refused_connection: called for each connection beyond the maximum.
        signals: yields for each signal; by default SIGTERM and SIGINT.
    """
    max_connections = connections_within(raise_open_file_limit(), settings.max_connections)
    invalid = PeriodicCount(
        _LOG_SECONDS, lambda number: logger.warning("invalid HTTP requests", extra={"requests": number})
    )
    protocol = partial(
        protocol_above(settings.parser),
        timeouts=client_timeouts(settings.body_timeout, settings.keep_alive, max_connections),
        buffer=bytearray(READ_BYTES),
        on_invalid_request=invalid.add,
    )
    config = uvicorn.Config(
        app,
        http=ConnectionLimit(protocol, max_connections, on_refused_connection),  # type: ignore[arg-type]
        backlog=ACCEPTS_AT_ONCE,
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        ws="none",
    )
    server = _Server(config, on_ready)
    # When the SDK imports sse-starlette, it patches `uvicorn.Server.handle_exit` so that SIGTERM ends every stream of
    # protocol 2025-11-25, also before its result was sent (https://github.com/sysid/sse-starlette/issues/211). Only
    # `shut_down` and `end` below decide when calls end. It can go when the SDK does not import sse-starlette.
    AppStatus.disable_automatic_graceful_drain()  # type: ignore[no-untyped-call]

    async def shut_down() -> None:
        drain()
        fields = {"drain_seconds": settings.drain_delay, "grace_seconds": settings.grace_period}
        logger.info("service draining", extra=fields)
        await anyio.sleep(settings.drain_delay)
        server.should_exit = True
        await anyio.sleep(settings.grace_period)
        await end()

    async def end() -> None:
        end_calls()
        server.should_exit = True
        await anyio.sleep(SECONDS_TO_RESPOND)
        server.force_end()

    async def handle_signals() -> None:
        steps = iter([shut_down, end])
        async for _ in signals():
            if step := next(steps, None):
                tasks.start_soon(step)
            else:
                server.force_end()

    # asyncio sets TCP_NODELAY on connections of a socket that knows its protocol, which one of `socket.create_server`
    # does not until it is opened again. Without it, the end of each response waits 40 ms for the client's ACK:
    # https://github.com/Kludex/uvicorn/issues/3149
    with socket.socket(fileno=listener.detach()) as tcp_listener, logging_accept_failures():
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(handle_signals)
            await server.serve(sockets=[tcp_listener])
            tasks.cancel_scope.cancel()


class _Server(uvicorn.Server):
    """uvicorn that reports when it is ready, and leaves signals to `serve`.

    It overrides `startup` and `capture_signals`, since uvicorn has no callback for the former and no option for the
    latter (https://github.com/Kludex/uvicorn/issues/526): it would raise each signal again after it has stopped.
    """

    def __init__(self, config: uvicorn.Config, on_ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_ready = on_ready

    def force_end(self) -> None:
        """End now, whatever is still connected."""
        self.should_exit = self.force_exit = True
        # `force_exit` is not enough: from Python 3.12.1 on, closing the server waits for every connection, and uvicorn
        # does not close them (https://github.com/Kludex/uvicorn/pull/2145).
        for connection in list(self.server_state.connections):
            connection.transport.abort()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        for listener in sockets or []:
            # asyncio has used `ACCEPTS_AT_ONCE` for this too.
            listener.listen(QUEUED_CONNECTIONS)
        self._on_ready()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        if sys.platform == "win32":
            with super().capture_signals():
                yield
        else:
            yield
