"""Name the tool call in its requests to the sandbox, so that the sandbox can show them together."""

from __future__ import annotations

from typing import Final

import httpx

from customerio_track_mcp.call_reports.running_call import running_call

CALL_HEADER: Final = "X-Sandbox-Call"


class CallHeaderTransport(httpx.AsyncBaseTransport):
    """Adds the header to each request of a call that will be reported, retries included.

    A request belongs to the call whose task sends it: of identical calls, that is the one that does not wait.

    Args:
        transport: carries the requests.
    """

    def __init__(self, transport: httpx.AsyncBaseTransport) -> None:
        self._transport = transport

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send `request` with the id of the running call, if there is one."""
        if (call := running_call.get()) is not None:
            request.headers[CALL_HEADER] = call.id
        return await self._transport.handle_async_request(request)

    async def aclose(self) -> None:
        """Close the transport that carries the requests."""
        await self._transport.aclose()
