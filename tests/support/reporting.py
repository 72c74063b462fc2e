"""A server that reports its calls, and a stand-in for the sandbox that receives them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

from mcp import Client

from customerio_track_mcp.runtime import open_runtime
from customerio_track_mcp.settings.server import Settings
from customerio_track_mcp.upstream import Upstream
from tests.support.scripted_server import Act, RawRequest, ScriptedServer, respond

IDENTITY: Final = '{"name": "customerio-track-mcp sandbox", "version": "0"}'
EVENT: Final[dict[str, Any]] = {"customer_id": "1", "event_name": "bought"}

Report = Mapping[str, Any]


@asynccontextmanager
async def reporting(
    url: str,
    record_call: Callable[[Any], None] | None = None,
    *,
    mode: str = "auto",
    is_sandbox: bool = True,
    person: Callable[..., Any] | None = None,
    **settings: Any,
) -> AsyncIterator[Client]:
    """Connect a client to a server with the sandbox at `url`.

    Args:
        url: the sandbox's base URL.
        record_call: receives the reports; None for reports over loopback.
        mode: which protocol version the client uses: `legacy` or `auto`.
        is_sandbox: whether it is one.
        person: answers the questions of the server.
        settings: fields of `Settings`.
    """
    given: dict[str, Any] = {"api_key": "sandbox:sandbox"} | settings
    upstream = Upstream(Settings(**given), url, is_sandbox=is_sandbox, record_call=record_call)
    async with (
        open_runtime(upstream) as runtime,
        Client(runtime.server, mode=mode, elicitation_callback=person) as client,
    ):
        yield client


def as_sandbox(server: ScriptedServer, on_report: Act | None = None) -> Act:
    """Respond as a sandbox does: to its identity, to reports, and to the Track API's requests.

    Args:
        server: performs the act.
        on_report: what to do with a report; by default, to accept it.
    """

    async def act(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        target = server.requests[-1].target
        if target == "/_sandbox":
            await respond(200, IDENTITY)(reader, writer)
        elif target == "/_sandbox/calls" and on_report is not None:
            await on_report(reader, writer)
        else:
            await respond(200, "{}")(reader, writer)

    return act


def reports_in(server: ScriptedServer) -> list[Report]:
    """Return the reports that a server has received."""
    return [request.json for request in server.requests if request.target == "/_sandbox/calls"]


def track_requests_in(server: ScriptedServer) -> list[RawRequest]:
    """Return the requests to the Track API that a server has received."""
    return [request for request in server.requests if request.target.startswith("/api/")]
