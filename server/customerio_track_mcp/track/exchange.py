"""Requests of httpx on the connections of aiohttp, which are kept from one request to the next.

Loading aiohttp takes longer than anything else here, so `transport` loads this at the first request.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

import aiohttp
import httpx
import yarl
from aiohttp.abc import AbstractStreamWriter
from aiohttp.client_reqrep import ClientRequest
from aiohttp.connector import Connection
from aiohttp.payload import BytesPayload

from customerio_track_mcp.track.transport import SENDING

if TYPE_CHECKING:
    from ssl import SSLContext

    from aiohttp.tracing import Trace

_WRITTEN_WITHOUT_WAITING: Final = 2**16


class Exchange:
    """Exchanges requests for responses.

    It keeps to a request's extensions `timeout` and `trace` (of whose events it knows `SENDING` alone), and raises
    httpx's errors, whose text never holds a URL: an identifier stands in it.

    Args:
        certificates: for https.
    """

    def __init__(self, certificates: SSLContext | None) -> None:
        self._session = aiohttp.ClientSession(
            connector=_Connector(limit=0, ssl=certificates or True),
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type", "User-Agent"),
            auto_decompress=False,  # httpx does
            trust_env=False,
        )

    async def exchange(self, request: httpx.Request) -> httpx.Response:
        """Send `request` and read the whole of its response. A redirect is a response too.

        Raises:
            httpx.TransportError: there is no response.
        """
        seconds: Mapping[str, float] = request.extensions["timeout"]
        token = _on_the_way.set(_Errand(request))
        try:
            async with self._session.request(
                request.method,
                yarl.URL(str(request.url), encoded=True),
                headers=[(name.decode("latin-1"), value.decode("latin-1")) for name, value in request.headers.raw],
                data=_body(request.content, seconds["write"]),
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(
                    connect=seconds["connect"], sock_connect=seconds["connect"], sock_read=seconds["read"]
                ),
            ) as reply:
                content = await reply.read()
                return httpx.Response(reply.status, headers=list(reply.raw_headers), content=content, request=request)
        except (aiohttp.ClientError, OSError) as error:
            raise _as_httpx(error, request) from error
        finally:
            _on_the_way.reset(token)

    async def aclose(self) -> None:
        """Close every connection."""
        await self._session.close()


@dataclass(slots=True)
class _Errand:
    """A request for which aiohttp is under way."""

    request: httpx.Request
    sending: bool = False


_on_the_way: ContextVar[_Errand] = ContextVar("errand")


class _Connector(aiohttp.TCPConnector):
    """Tells a request when it gets its connection: it goes out at once then."""

    async def connect(self, req: ClientRequest, traces: list[Trace], timeout: aiohttp.ClientTimeout) -> Connection:  # noqa: ASYNC109 - aiohttp's signature
        errand = _on_the_way.get()
        if errand.sending:
            # aiohttp would send a PUT a second time where a kept connection breaks; attempts are not its to make.
            raise aiohttp.ServerDisconnectedError
        connection = await super().connect(req, traces, timeout)
        errand.sending = True
        trace: Callable[[str, Mapping[str, Any]], Awaitable[None]] | None = errand.request.extensions.get("trace")
        if trace is not None:
            await trace(SENDING, {"request": errand.request})
        return connection


class _TimedBytes(BytesPayload):
    """A body for whose writing there is a time-out, which aiohttp has not."""

    def __init__(self, content: bytes, seconds: float) -> None:
        super().__init__(content)
        self._seconds = seconds

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        async with asyncio.timeout(self._seconds):
            await super().write_with_length(writer, content_length)


def _body(content: bytes, seconds: float) -> BytesPayload | bytes | None:
    return _TimedBytes(content, seconds) if len(content) > _WRITTEN_WITHOUT_WAITING else content or None


def _as_httpx(error: aiohttp.ClientError | OSError, request: httpx.Request) -> httpx.TransportError:
    match error:
        case aiohttp.ConnectionTimeoutError():
            return httpx.ConnectTimeout("", request=request)
        case aiohttp.ServerTimeoutError():
            return httpx.ReadTimeout("", request=request)
        case aiohttp.ClientConnectorCertificateError():
            return httpx.ConnectError(str(error.certificate_error), request=request)
        case aiohttp.ClientConnectorError():
            return httpx.ConnectError(str(error.os_error), request=request)
        case aiohttp.InvalidURL() | aiohttp.NonHttpUrlClientError():
            return httpx.UnsupportedProtocol("", request=request)
        case aiohttp.ServerDisconnectedError() | aiohttp.ClientPayloadError() | aiohttp.ClientResponseError():
            return httpx.RemoteProtocolError(type(error).__name__, request=request)
        case TimeoutError():
            return httpx.WriteTimeout("", request=request)
        case OSError():
            return httpx.ReadError(error.strerror or "", request=request)
        case _:
            return httpx.ReadError(type(error).__name__, request=request)
