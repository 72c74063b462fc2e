"""The service in the test's own process, on a real socket."""

from __future__ import annotations

import json
import socket
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx

from customerio_track_mcp.http.auth.authenticator import Access
from customerio_track_mcp.http.service import Service
from customerio_track_mcp.settings.http import HttpSettings
from customerio_track_mcp.settings.server import Settings

HEADERS = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
PING: Mapping[str, Any] = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
TOOLS_LIST: Mapping[str, Any] = {"jsonrpc": "2.0", "id": 2, "method": "tools/list"}
TOKEN = "a-token-of-thirty-two-characters-or-more"
OTHER_TOKEN = "another-token-of-thirty-two-characters"


def call(tool: str = "send_event", **arguments: object) -> dict[str, Any]:
    """A tool call as a JSON-RPC request; by default an event of customer 1."""
    given = arguments or {"customer_id": "1", "event_name": "bought"}
    return {"jsonrpc": "2.0", "id": 3, "method": "tools/call", "params": {"name": tool, "arguments": given}}


def bearer(token: str) -> dict[str, str]:
    return HEADERS | {"Authorization": f"Bearer {token}"}


def answer_in(reply: httpx.Response) -> dict[str, Any]:
    """The JSON-RPC answer in a reply, be it an event stream or JSON."""
    if reply.headers["content-type"].startswith("application/json"):
        told: dict[str, Any] = reply.json()
        return told
    (data,) = [line.removeprefix("data: ") for line in reply.text.splitlines() if line.startswith("data: {")]
    streamed: dict[str, Any] = json.loads(data)
    return streamed


def payload_in(reply: httpx.Response) -> dict[str, Any]:
    """The tool's payload in a reply."""
    payload: dict[str, Any] = answer_in(reply)["result"]["structuredContent"]
    return payload


@asynccontextmanager
async def serving(
    track_url: str, settings: Mapping[str, Any] | None = None, **http_settings: Any
) -> AsyncIterator[httpx.AsyncClient]:
    """The service over the Track API at `track_url`; a client whose base URL is the service's.

    `HERE` in a setting is the service's own address.
    """
    ready, over = anyio.Event(), anyio.Event()
    with socket.create_server(("127.0.0.1", 0), backlog=512) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        placed: dict[str, Any] = {name: _placed(value, url) for name, value in http_settings.items()}
        service_settings = HttpSettings(**{"grace_period": 0} | placed)
        service = Service(
            settings=Settings(**{"api_key": "sandbox:sandbox", "track_url": track_url} | dict(settings or {})),
            http_settings=service_settings,
            access=Access(service_settings),
            base_url=track_url,
            host="127.0.0.1",
        )
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(service.run, listener, ready.set, once(over))
            await ready.wait()
            limits = httpx.Limits(max_connections=None)
            async with httpx.AsyncClient(
                base_url=url, trust_env=False, headers=HEADERS, timeout=30, limits=limits
            ) as client:
                try:
                    yield client
                finally:
                    over.set()


def once(event: anyio.Event) -> Callable[[], AsyncIterator[None]]:
    """Signals of which there is one, when `event` is set."""

    async def signals() -> AsyncIterator[None]:
        await event.wait()
        yield

    return signals


def _placed(value: object, url: str) -> object:
    return value.replace("HERE", url) if isinstance(value, str) else value
