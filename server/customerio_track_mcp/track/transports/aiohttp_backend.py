"""Requests of httpx on the connections of aiohttp, which are kept from one request to the next.

Loading aiohttp takes longer than anything else here, so `transport` loads this at the first request.
"""

from __future__ import annotations

import asyncio
import os
import select
import sys
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from weakref import WeakSet

import aiohttp
import httpx
import yarl
from aiohttp.abc import AbstractStreamWriter
from aiohttp.client_proto import ResponseHandler
from aiohttp.client_reqrep import ClientRequest
from aiohttp.connector import Connection
from aiohttp.payload import BytesPayload

from customerio_track_mcp.track.transports.pool import SENDING

if TYPE_CHECKING:
    from ssl import SSLContext

    from aiohttp.tracing import Trace

_WRITTEN_WITHOUT_WAITING: Final = 2**16
_LONGEST_LINE: Final = 2**16  # of an answer's head, as httpx has it


class Exchange:
    """Exchanges requests for responses.

    It keeps to a request's extensions `timeout` and `trace` (of whose events it knows `SENDING` alone), and raises
    httpx's errors, whose text never holds a URL: an identifier stands in it.

    Args:
        certificates: for https.
    """

    def __init__(self, certificates: SSLContext | None) -> None:
        self._session = aiohttp.ClientSession(
            connector=_Connector(certificates),
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type", "User-Agent"),
            auto_decompress=False,  # httpx does
            max_line_size=_LONGEST_LINE,
            max_field_size=_LONGEST_LINE,
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
                    # For what comes after an interim answer (1xx), at which aiohttp takes the other time-out away.
                    total=seconds["connect"] + seconds["write"] + seconds["read"],
                    connect=seconds["connect"],
                    sock_connect=seconds["connect"],
                    sock_read=seconds["read"],
                ),
            ) as reply:
                content = await reply.read()
                return httpx.Response(reply.status, headers=list(reply.raw_headers), content=content, request=request)
        except (aiohttp.ClientError, OSError, UnicodeError) as error:
            raise _as_httpx(error, request) from None  # aiohttp's own texts hold the URL
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
    """Gives a request its connection, and tells it so: it goes out at once then."""

    def __init__(self, certificates: SSLContext | None) -> None:
        super().__init__(limit=0, ssl=certificates or True)
        self._used = WeakSet[ResponseHandler]()

    async def connect(self, req: ClientRequest, traces: list[Trace], timeout: aiohttp.ClientTimeout) -> Connection:  # noqa: ASYNC109 - aiohttp's signature
        errand = _on_the_way.get()
        if errand.sending:
            # aiohttp would send a PUT a second time where a kept connection breaks; attempts are not its to make.
            raise aiohttp.ServerDisconnectedError
        connection = await super().connect(req, traces, timeout)
        while not self._clean(connection):
            connection.close()
            connection = await super().connect(req, traces, timeout)
        errand.sending = True
        trace: Callable[[str, Mapping[str, Any]], Awaitable[None]] | None = errand.request.extensions.get("trace")
        if trace is not None:
            await trace(SENDING, {"request": errand.request})
        return connection

    def _clean(self, connection: Connection) -> bool:
        """Whether nothing has come on a kept connection since it was last used, neither its end nor an answer.

        aiohttp would take an answer that nobody asked for, such as a 408 to who asks nothing, for the next one's.
        """
        protocol = connection.protocol
        if protocol is None or protocol.transport is None:
            return False
        if protocol not in self._used:
            self._used.add(protocol)
            return True
        return not protocol.should_close and not _readable(protocol.transport.get_extra_info("socket").fileno())


def _readable(descriptor: int) -> bool:
    if sys.platform == "win32":
        return bool(select.select([descriptor], [], [], 0)[0])
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))


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


def _as_httpx(error: aiohttp.ClientError | OSError | UnicodeError, request: httpx.Request) -> httpx.TransportError:
    match error:
        case aiohttp.ConnectionTimeoutError():
            return httpx.ConnectTimeout("", request=request)
        case aiohttp.ServerTimeoutError():
            return httpx.ReadTimeout("", request=request)
        case aiohttp.ClientConnectorCertificateError():
            return httpx.ConnectError(str(error.certificate_error), request=request)
        case aiohttp.ClientConnectorError():
            return httpx.ConnectError(str(error.os_error), request=request)
        case UnicodeError():
            return httpx.ConnectError("the host's name is none", request=request)
        case aiohttp.InvalidURL() | aiohttp.NonHttpUrlClientError():
            return httpx.UnsupportedProtocol("", request=request)
        case aiohttp.ServerDisconnectedError() | aiohttp.ClientPayloadError() | aiohttp.ClientResponseError():
            return httpx.RemoteProtocolError(type(error).__name__, request=request)
        case TimeoutError():  # of the whole, or of writing
            return httpx.WriteTimeout("", request=request)
        case OSError(errno=int(number)) if number > 0:
            return httpx.ReadError(os.strerror(number), request=request)
        case _:
            return httpx.ReadError(type(error).__name__, request=request)
