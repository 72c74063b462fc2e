"""Send requests of the Track API over any httpx transport: a proxy's, or one of the caller's."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import httpx

from customerio_track_mcp.track.operations import TrackRequest
from customerio_track_mcp.track.response_body import UnreadableBodyError, read_body
from customerio_track_mcp.track.transports.base import Destination, Response
from customerio_track_mcp.track.transports.httpx_trace import SENDING, SENDING_HTTP2
from customerio_track_mcp.track.transports.transport_errors import parse_transport_error


class HttpxSender:
    """Sends requests over `transport`.

    A transport that reports no event to the extension `trace` does not say when it sends: a request counts as sent
    once the transport has it, unless it raises an error that says that no connection was made.

    Args:
        transport: carries the requests.
        destination: where they go.
        reports_sending: whether `transport` is known to report when it sends, so that no event means that it has not.
    """

    def __init__(
        self, transport: httpx.AsyncBaseTransport, destination: Destination, *, reports_sending: bool = False
    ) -> None:
        self._transport = transport
        self._reports_sending = reports_sending
        self._destination = destination
        self._headers = httpx.Headers(destination.headers)
        self._headers_with_body = httpx.Headers(destination.headers_with_body)

    async def send(self, request: TrackRequest, on_sending: Callable[[], None]) -> Response:
        """Send `request` once, and receive the response; see `RequestSender.send`."""
        has_reported = self._reports_sending

        async def trace(event: str, info: Mapping[str, Any]) -> None:
            nonlocal has_reported
            has_reported = True
            # A CONNECT to a proxy precedes the request and is not part of it.
            if event in (SENDING, SENDING_HTTP2) and info["request"].method != b"CONNECT":
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
        finally:
            if not has_reported:
                on_sending()
        return Response(response.status_code, response.headers.raw, content)

    async def aclose(self) -> None:
        """Close the transport."""
        await self._transport.aclose()
