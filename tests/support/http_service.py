"""The HTTP service in the test's own process, on a real socket, and the messages that tests send to it."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from itertools import count
from typing import Any, Final

import anyio
import httpx
from anyio.abc import SocketStream

from customerio_track_mcp.http.auth.authenticator import Authenticator
from customerio_track_mcp.http.service import Service
from customerio_track_mcp.settings.http import HttpSettings
from customerio_track_mcp.settings.server import Settings
from customerio_track_mcp.upstream import RecordCall, Upstream

HEADERS = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
PING: Mapping[str, Any] = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
TOOLS_LIST: Mapping[str, Any] = {"jsonrpc": "2.0", "id": 2, "method": "tools/list"}
TOKEN = "a-token-of-thirty-two-characters-or-more"
OTHER_TOKEN = "another-token-of-thirty-two-characters"
TWO_CALLERS: Final = f"ann {TOKEN}, bob {OTHER_TOKEN}"
"""A value of CUSTOMERIO_HTTP_TOKENS."""
PARSER_VARIABLE: Final = "CUSTOMERIO_HTTP_PARSER"
_NUMBERS: Final = count(1)
SERVICE_URL: Final = "SERVICE_URL"
"""A placeholder in the settings of `running_service` for the service's own base URL."""


def call(tool: str = "send_event", **arguments: object) -> dict[str, Any]:
    """Return a tool call as a JSON-RPC request; without arguments, an event of customer 1."""
    given = arguments or {"customer_id": "1", "event_name": "bought"}
    return {"jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": {"name": tool, "arguments": given}}


def another_call() -> dict[str, Any]:
    """Return a call of `send_event` to which no other is identical, so that it does not join one in flight."""
    return call(customer_id="1", event_name="bought", data={"number": next(_NUMBERS)})


def bearer(token: str) -> dict[str, str]:
    """Return the headers of an MCP request with a bearer token."""
    return HEADERS | {"Authorization": f"Bearer {token}"}


def message_in(response: httpx.Response) -> dict[str, Any]:
    """Return the JSON-RPC message in a response, which is JSON or an event stream."""
    if response.headers["content-type"].startswith("application/json"):
        message: dict[str, Any] = response.json()
        return message
    (data,) = [line.removeprefix("data: ") for line in response.text.splitlines() if line.startswith("data: {")]
    streamed: dict[str, Any] = json.loads(data)
    return streamed


def payload_in(response: httpx.Response) -> dict[str, Any]:
    """Return the structured content of the tool result in a response."""
    payload: dict[str, Any] = message_in(response)["result"]["structuredContent"]
    return payload


@asynccontextmanager
async def running_service(
    track_url: str,
    settings: Mapping[str, Any] | None = None,
    *,
    is_sandbox: bool = False,
    record_call: RecordCall | None = None,
    **http_settings: Any,
) -> AsyncIterator[httpx.AsyncClient]:
    """Run the service until the block ends; yields an HTTP client whose base URL is the service's.

    Args:
        track_url: the base URL of the Track API.
        settings: fields of `Settings`.
        is_sandbox: whether calls are reported.
        record_call: receives the reports; None for reports over loopback.
        http_settings: fields of `HttpSettings`; `SERVICE_URL` in a string is replaced.
    """
    ready, stop = anyio.Event(), anyio.Event()
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        replaced: dict[str, Any] = {
            name: value.replace(SERVICE_URL, url) if isinstance(value, str) else value
            for name, value in http_settings.items()
        }
        parser = os.environ.get(PARSER_VARIABLE, "auto")  # that of the fixture `http_parser`
        service_settings = HttpSettings(**{"grace_period": 0, "parser": parser} | replaced)
        upstream_settings = Settings(**{"api_key": "sandbox:sandbox", "track_url": track_url} | dict(settings or {}))
        upstream = Upstream(upstream_settings, track_url, is_sandbox=is_sandbox, record_call=record_call)
        service = Service(upstream, service_settings, Authenticator(service_settings), "127.0.0.1")
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(service.run, listener, ready.set, _signals_from(stop))
            await ready.wait()
            limits = httpx.Limits(max_connections=None)
            async with httpx.AsyncClient(
                base_url=url, trust_env=False, headers=HEADERS, timeout=30, limits=limits
            ) as client:
                try:
                    yield client
                finally:
                    stop.set()


async def connect(http: httpx.AsyncClient) -> SocketStream:
    """Open a TCP connection to the service that `http` is a client of."""
    port = http.base_url.port
    assert port is not None
    return await anyio.connect_tcp("127.0.0.1", port)


async def read_until_closed(stream: SocketStream) -> bytes:
    """Return everything that is received before the other side closes the connection."""
    received = b""
    with anyio.fail_after(20):
        while True:
            try:
                received += await stream.receive()
            except (anyio.EndOfStream, anyio.BrokenResourceError):
                return received


def _signals_from(event: anyio.Event) -> Callable[[], AsyncIterator[None]]:
    """Return a source of signals that yields once, when `event` is set."""

    async def signals() -> AsyncIterator[None]:
        await event.wait()
        yield

    return signals
