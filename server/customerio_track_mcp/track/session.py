"""The connection to the Track API: credentials, time-outs, the pool, and one attempt at a request."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import Any, Final, NamedTuple

import httpx

from customerio_track_mcp.track.errors import MissingCredentialsError
from customerio_track_mcp.track.operations import TrackRequest
from customerio_track_mcp.track.responses import read_answer, read_transport_error
from customerio_track_mcp.track.transports.pool import SENDING, transport_to

USER_AGENT: Final = f"customerio-track-mcp/{version('customerio-track-mcp')}"


@dataclass(frozen=True, slots=True)
class Credentials:
    """What the Track API wants as HTTP Basic user name and password.

    Attributes:
        site_id: the workspace's Site ID.
        api_key: its Tracking API key; an App API key is a different credential and does not serve.
    """

    site_id: str = field(repr=False)
    api_key: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """How long to wait and how often to try. Times are in seconds."""

    connect_timeout: float = 5.0
    read_timeout: float = 10.0
    write_timeout: float = 10.0
    pool_timeout: float = 10.0
    max_attempts: int = 4
    time_budget: float = 30.0
    """For one call as a whole: waiting for the rate budget, every attempt, and the pauses between them."""
    first_backoff: float = 0.5
    """The pause after the first failed attempt. It doubles with each further one, plus a random part of up to one
    first pause, and never exceeds 8 seconds but where `Retry-After` asks for more."""


class Confirmation(NamedTuple):
    """The Track API's confirming answer."""

    status: int
    body: dict[str, object]


class Connection:
    """A pool of connections to one workspace's Track API.

    Args:
        credentials: None lets the pool be built all the same; an attempt then raises.
        base_url: the Track API's base URL.
        patience: its time-outs are taken from here.
        max_connections: the pool's size.
        transport: carries requests in the place of the pool.
    """

    def __init__(
        self,
        credentials: Credentials | None,
        base_url: str,
        patience: Patience,
        max_connections: int,
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        self._credentials = credentials
        self._secrets = _secrets_of(credentials)
        self._base_url = base_url.rstrip("/")
        self._headers = httpx.Headers({"User-Agent": USER_AGENT, "Accept": "application/json"})
        if credentials is not None:
            self._headers["Authorization"] = f"Basic {_basic(credentials)}"
        self._headers_with_body = httpx.Headers(self._headers)
        self._headers_with_body["Content-Type"] = "application/json"
        self._timeout = httpx.Timeout(
            connect=patience.connect_timeout,
            read=patience.read_timeout,
            write=patience.write_timeout,
            pool=patience.pool_timeout,
        ).as_dict()
        self._transport = transport or transport_to(base_url, max_connections)

    async def aclose(self) -> None:
        """Close every connection of the pool."""
        await self._transport.aclose()

    def require_credentials(self) -> None:
        """Raise where an attempt could not authenticate.

        Raises:
            MissingCredentialsError: the pool was built without credentials.
        """
        if self._credentials is None:
            raise MissingCredentialsError("no Site ID or no API key is configured")

    async def attempt(self, request: TrackRequest, sent: Callable[[], None]) -> Confirmation:
        """Put `request` on the wire once.

        Args:
            request: what to send.
            sent: called when the first byte of it is about to go out.

        Raises:
            RequestFailedError: no confirmation came.
        """

        async def trace(event: str, info: Mapping[str, Any]) -> None:
            # What goes to a proxy first, to be let through, is not the request.
            if event == SENDING and info["request"].method != b"CONNECT":
                sent()

        try:
            response = await self._transport.handle_async_request(
                httpx.Request(
                    request.method,
                    self._base_url + request.path,
                    headers=self._headers_with_body if request.content else self._headers,
                    content=request.content,
                    extensions={"timeout": self._timeout, "trace": trace},
                )
            )
            try:
                await response.aread()
            finally:
                await response.aclose()
        except httpx.RequestError as error:
            raise read_transport_error(error) from error
        return Confirmation(response.status_code, read_answer(response, self._secrets))


def _secrets_of(credentials: Credentials | None) -> tuple[str, ...]:
    """The API key, in the clear and as it stands in the Authorization header."""
    if credentials is None:
        return ()
    return (_basic(credentials), credentials.api_key)


def _basic(credentials: Credentials) -> str:
    return b64encode(f"{credentials.site_id}:{credentials.api_key}".encode()).decode()
