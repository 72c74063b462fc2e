"""What the sandbox receives from an MCP server: requests that name their tool call, and reports of tool calls."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import httpx

from customerio_track_mcp.sandbox import SANDBOX_API_KEY, SANDBOX_SITE_ID, RunningSandbox
from customerio_track_mcp.track import operations


class ReportingServer:
    """A stand-in for an MCP server: a test decides what it sends and reports, and when.

    Args:
        sandbox: the sandbox.
        http: a client of it, with its credentials.
    """

    def __init__(self, sandbox: RunningSandbox, http: httpx.AsyncClient) -> None:
        self._sandbox = sandbox
        self._http = http

    async def send(self, method: str, path: str, body: Any, call: str | None = None) -> httpx.Response:
        """Send a request, as a part of the tool call with the id `call`, if there is one."""
        headers = {"User-Agent": "shop-backend/3.1"} if call is None else {"X-Sandbox-Call": call}
        return await self._http.request(method, path, json=body, headers=headers)

    async def track(self, person: str, body: Mapping[str, Any], call: str | None = None) -> httpx.Response:
        """Send an event."""
        return await self.send("POST", operations.track(person, "event").path, body, call)

    async def identify(self, person: str, body: Mapping[str, Any], call: str | None = None) -> httpx.Response:
        """Add or update a person."""
        return await self.send("PUT", operations.identify(person).path, body, call)

    async def add_fault(self, **fault: Any) -> None:
        """Add a fault for the next request."""
        (await self._http.post("/_sandbox/faults", json=fault)).raise_for_status()

    def report(self, call: str, tool: str, arguments: Any, **fields: Any) -> None:
        """Report a tool call that has ended; `fields` are those that differ from a call that was accepted."""
        defaults = {"at": time.time(), "seconds": 0.012, "result": {"success": True, "message": "Accepted."}}
        accepted = {"is_error": False, "outcome": "ok", "meta": None, "client": "test-host 1.0"}
        self._sandbox.record_call(defaults | accepted | {"id": call, "tool": tool, "arguments": arguments} | fields)

    async def send_event(self, call: str, person: str, name: str, data: Mapping[str, Any] | None = None) -> None:
        """Make a complete call of `send_event`, which is accepted."""
        await self.track(person, {"name": name, "data": data or {}}, call)
        self.report(call, "send_event", {"customer_id": person, "event_name": name, "data": data or {}})


@asynccontextmanager
async def reporting_server(sandbox: RunningSandbox) -> AsyncIterator[ReportingServer]:
    """Create a stand-in for an MCP server that uses this sandbox."""
    credentials = (SANDBOX_SITE_ID, SANDBOX_API_KEY)
    async with httpx.AsyncClient(base_url=sandbox.url, auth=credentials, trust_env=False) as http:
        yield ReportingServer(sandbox, http)
