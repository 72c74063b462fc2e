"""Send requests of the Track API over any httpx transport: a proxy's, or one of the caller's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import httpx

from customerio_track_mcp.track.operations import TrackRequest
from customerio_track_mcp.track.response_body import UnreadableBodyError, read_body
from customerio_track_mcp.track.transports.base import Destination, Response
from customerio_track_mcp.track.transports.httpx_trace import SENDING
from customerio_track_mcp.track.transports.transport_errors import parse_transport_error


class HttpxSender:
    """Sends requests over `transport`, which supports the extensions `timeout` and `trace`.

    Args:
        transport: carries the requests.
        destination: where they go.
    """

    def __init__(self, transport: httpx.AsyncBaseTransport, destination: Destination) -> None:
        self._transport = transport
        self._destination = destination
        self._headers = httpx.Headers(destination.headers)
        self._headers_with_body = httpx.Headers(destination.headers_with_body)

    async def send(self, request: TrackRequest, on_sending: Callable[[], None]) -> Response:
        """Send `request` once, and receive the response; see `RequestSender.send`."""

        async def trace(event: str, info: Mapping[str, Any]) -> None:
            # A CONNECT to a proxy precedes the request and is not part of it.
            if event == SENDING and info["request"].method != b"CONNECT":
                on_sending()

        content: bytes | UnreadableBodyError
        try:
            response = await self._transport.handle_async_request(
                httpx.Request(
                    request.method,
                    self._destination.base_url + request.path,
                    headers=self._headers_with_body if request.content else self._headers,
                    content=request.content,
                    extensions={"timeout": self._destination.timeout, "trace": trace},
                )
            )
            content = await read_body(response)
        except httpx.RequestError as error:
            raise parse_transport_error(error) from error
        except UnreadableBodyError as error:
            content = error
        return Response(response.status_code, response.headers.raw, content)

    async def aclose(self) -> None:
        """Close the transport."""
        await self._transport.aclose()
