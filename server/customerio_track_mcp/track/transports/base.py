"""What a session needs of a transport. It has no types of httpx, whose import would delay the start."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from customerio_track_mcp.track.operations import TrackRequest
from customerio_track_mcp.track.response_body import UnreadableBodyError

if TYPE_CHECKING:
    import httpx


@dataclass(frozen=True, slots=True)
class Destination:
    """What the requests of a session have in common.

    Attributes:
        base_url: the Track API's base URL, to which paths are appended.
        headers: the headers of every request.
        headers_with_body: the headers of a request with a body.
        timeout: httpx's timeouts: `connect`, `read`, `write` and `pool`, in seconds.
    """

    base_url: str
    headers: Mapping[str, str]
    headers_with_body: Mapping[str, str]
    timeout: Mapping[str, float]


@dataclass(slots=True)
class Response:
    """A response as it was received.

    Attributes:
        status: the HTTP status.
        raw_headers: its headers.
        content: its body, or why that cannot be read.
    """

    status: int
    raw_headers: Sequence[tuple[bytes, bytes]]
    content: bytes | UnreadableBodyError

    @property
    def headers(self) -> httpx.Headers:
        """The headers, parsed with each use: most responses are understood without."""
        import httpx

        return httpx.Headers(list(self.raw_headers))


class RequestSender(Protocol):
    """Sends requests to one destination."""

    async def send(self, request: TrackRequest, on_sending: Callable[[], None]) -> Response:
        """Send `request` once, and receive the response. Redirects are not followed.

        Args:
            request: what to send.
            on_sending: called right before the first byte of the request is sent.

        Raises:
            RequestFailedError: no response was received. Its text contains no URL.
        """

    async def aclose(self) -> None:
        """Close every connection. Later requests fail."""
