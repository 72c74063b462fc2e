"""The MCP server as an HTTP service at `/mcp`, stateless, for clients of 2025-11-25 and of 2026-07-28."""

from __future__ import annotations

import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import anyio
import uvicorn
from mcp.server import Server
from mcp.server.transport_security import TransportSecuritySettings
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from customerio_track_mcp.signals import on_stop_signal

_GRACE_SECONDS: Final = 30


def http_app(server: Server[Any], host: str) -> Starlette:
    """The ASGI application. It answers requests that are addressed to this machine's loopback and no others.

    The check of Host and Origin keeps a web page elsewhere from driving the service through the user's browser.
    Answers may be event streams: only so does the SDK notice, in the protocol of 2026, a caller who has left, and
    cancel the call.
    """
    hosts = {"127.0.0.1", "localhost", "[::1]", _in_url(host)}
    app = server.streamable_http_app(
        streamable_http_path="/mcp",
        stateless_http=True,
        transport_security=TransportSecuritySettings(
            enable_dns_rebinding_protection=True,
            allowed_hosts=[pattern for host in hosts for pattern in (host, f"{host}:*")],
            allowed_origins=[f"http://{host}{port}" for host in hosts for port in ("", ":*")],
        ),
    )
    app.add_middleware(_PostOnly)
    return app


class _PostOnly:
    """Answers 405 to all but POST: a service without sessions has no stream to open and no session to end."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and scope["method"] != "POST":
            await Response(status_code=405, headers={"Allow": "POST"})(scope, receive, send)
        else:
            await self._app(scope, receive, send)


async def serve_http(server: Server[Any], host: str, port: int, ready: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT, then let the calls in flight finish; a second signal ends them too.

    Args:
        server: what to serve.
        host: a loopback address.
        port: 0 for one that is free.
        ready: told the URL once it answers.

    Raises:
        OSError: the address can't be listened on.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.create_server((host, port), family=family) as listener:
        url = f"http://{_in_url(host)}:{listener.getsockname()[1]}/mcp"
        config = uvicorn.Config(
            http_app(server, host),
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=_GRACE_SECONDS,
        )
        service = _Uvicorn(config, lambda: ready(url))
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(on_stop_signal, service.stop)
            await service.serve(sockets=[listener])
            tasks.cancel_scope.cancel()


def _in_url(host: str) -> str:
    return f"[{host}]" if ":" in host else host


class _Uvicorn(uvicorn.Server):
    """Uvicorn that says when it answers, and leaves the signals to us: it would end the process by the signal."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    def stop(self) -> None:
        self.force_exit = self.should_exit
        self.should_exit = True

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._ready()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        if sys.platform == "win32":
            with super().capture_signals():
                yield
        else:
            yield
