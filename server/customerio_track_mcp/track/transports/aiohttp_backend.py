"""Send httpx requests over aiohttp's pooled connections.

This module is imported with the first request (see `pool.preload`), since importing aiohttp is slow.
"""

from __future__ import annotations

import asyncio
import functools
import os
import select
import ssl
import sys
from collections.abc import Awaitable, Callable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast
from weakref import WeakSet

import aiohttp
import httpx
import yarl
from aiohttp.abc import AbstractStreamWriter
from aiohttp.client_proto import ResponseHandler
from aiohttp.client_reqrep import ClientRequest
from aiohttp.connector import Connection
from aiohttp.payload import BytesPayload

from customerio_track_mcp.track.transports.httpx_trace import SENDING
from customerio_track_mcp.track.transports.response_handler import BoundedResponseHandler, ResponseTooLongError
from customerio_track_mcp.track.transports.response_limits import MAX_BODY_BYTES, MAX_HEAD_BYTES

if TYPE_CHECKING:
    from ssl import SSLContext

    from aiohttp.tracing import Trace

_MAX_UNTIMED_BODY_BYTES: Final = 2**16


class AiohttpBackend:
    """Sends requests and reads responses.

    It supports the request extensions `timeout` and `trace` (of whose events it reports `SENDING` only), and raises
    httpx's errors. Their text contains no URL, because a URL contains an identifier (aiohttp's contains it:
    https://github.com/aio-libs/aiohttp/issues/3959).

    Args:
        certificates: for https.
    """

    def __init__(self, certificates: SSLContext | None) -> None:
        self._session = aiohttp.ClientSession(
            connector=_Connector(certificates),
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("Accept", "Accept-Encoding", "Content-Type", "User-Agent"),
            auto_decompress=False,
            max_line_size=MAX_HEAD_BYTES,
            max_field_size=MAX_HEAD_BYTES,
            trust_env=False,
        )
        self._event_loop = asyncio.get_running_loop()

    async def send(self, request: httpx.Request) -> httpx.Response:
        """Send `request` and receive the response. Redirects are returned, not followed.

        Returns:
            The response, with its body as it was received: not decoded, and complete unless it is longer than
            `MAX_BODY_BYTES`.

        Raises:
            httpx.TransportError: no response was received.
            RuntimeError: this is not the event loop in which the backend was created.
        """
        if asyncio.get_running_loop() is not self._event_loop:
            raise RuntimeError("a client cannot be used in another event loop than that of its first request")
        timeouts: Mapping[str, float] = request.extensions["timeout"]
        token = _pending.set(_PendingRequest(request))
        try:
            async with self._session.request(
                request.method,
                yarl.URL(str(request.url), encoded=True),
                headers=[(name.decode("latin-1"), value.decode("latin-1")) for name, value in request.headers.raw],
                data=_body(request.content, timeouts["write"]),
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(
                    # aiohttp drops `sock_read` after an interim response (1xx); `total` covers what follows.
                    total=_total_seconds(request),
                    connect=timeouts["connect"],
                    sock_connect=timeouts["connect"],
                    sock_read=timeouts["read"],
                ),
            ) as response:
                stream = httpx.ByteStream(await _read(response))
                headers = list(response.raw_headers)
                return httpx.Response(response.status, headers=headers, stream=stream, request=request)
        except (aiohttp.ClientError, OSError, UnicodeError) as error:
            # Not the error itself, whose text may contain the URL.
            raise _to_httpx_error(error, request) from _tls_error_of(error)
        finally:
            _pending.reset(token)

    async def aclose(self) -> None:
        """Close every connection."""
        await self._session.close()


async def _read(response: aiohttp.ClientResponse) -> bytes:
    """Return the body, or more than `MAX_BODY_BYTES` of it if it is longer, in which case the connection is closed."""
    content = b""
    while chunk := await response.content.readany():
        content = content + chunk if content else chunk
        if len(content) > MAX_BODY_BYTES:
            if response.connection is not None and response.connection.transport is not None:
                response.connection.transport.abort()
            break
    return content


def _total_seconds(request: httpx.Request) -> float:
    """Return how long an attempt may take from the wait for a connection to the end of the response."""
    timeouts: Mapping[str, float] = request.extensions["timeout"]
    return timeouts["connect"] + timeouts["write"] + timeouts["read"]


@dataclass(slots=True)
class _PendingRequest:
    """The request that aiohttp is sending in this task."""

    request: httpx.Request
    sending: bool = False


_pending: ContextVar[_PendingRequest] = ContextVar("pending_request")


class _Connector(aiohttp.TCPConnector):
    """Reports `SENDING` for a request as soon as it has a connection: aiohttp writes to it right away.

    It overrides `connect`, with which aiohttp's session gets a connection, and reads the state of its protocol;
    aiohttp's public tracing has no event between the connection and the first byte. That can go when there is such an
    event, and both issues linked below are solved. It replaces the class of the protocol, too (see
    `BoundedResponseHandler`).
    """

    def __init__(self, certificates: SSLContext | None) -> None:
        super().__init__(limit=0, ssl=certificates or True)
        handler: type[ResponseHandler] = BoundedResponseHandler
        self._factory = functools.partial(handler, loop=self._loop)
        self._used = WeakSet[ResponseHandler]()

    async def connect(self, req: ClientRequest, traces: list[Trace], timeout: aiohttp.ClientTimeout) -> Connection:  # noqa: ASYNC109 - aiohttp's signature
        pending = _pending.get()
        if pending.sending:
            # aiohttp retries idempotent requests on a dropped connection; retrying is RetryingSender's job.
            # https://github.com/aio-libs/aiohttp/issues/10790
            raise aiohttp.ServerDisconnectedError
        connection = await super().connect(req, traces, timeout)
        while not self._is_clean(connection):
            connection.close()
            connection = await super().connect(req, traces, timeout)
        pending.sending = True
        cast("BoundedResponseHandler", connection.protocol).expect_response()
        trace: Callable[[str, Mapping[str, Any]], Awaitable[None]] | None = pending.request.extensions.get("trace")
        if trace is not None:
            await trace(SENDING, {"request": pending.request})
        return connection

    def _is_clean(self, connection: Connection) -> bool:
        """Return whether nothing was received on a kept connection since its last use: no close, no stray response.

        aiohttp would take a response that was sent to an idle connection, such as a 408, for the next request's:
        https://github.com/aio-libs/aiohttp/issues/13656
        """
        protocol = connection.protocol
        if protocol is None or protocol.transport is None:
            return False
        if protocol not in self._used:
            self._used.add(protocol)
            return True
        return not protocol.should_close and not _is_readable(protocol.transport.get_extra_info("socket").fileno())


def _is_readable(descriptor: int) -> bool:
    if sys.platform == "win32":
        return bool(select.select([descriptor], [], [], 0)[0])
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(0))


class _WriteTimeoutError(TimeoutError):
    """The request's body was not sent in time."""


class _BytesWithWriteTimeout(BytesPayload):
    """A body with a timeout for sending it, which aiohttp lacks: https://github.com/aio-libs/aiohttp/issues/5546."""

    def __init__(self, content: bytes, seconds: float) -> None:
        super().__init__(content)
        self._seconds = seconds

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        try:
            async with asyncio.timeout(self._seconds):
                await super().write_with_length(writer, content_length)
        except TimeoutError:
            raise _WriteTimeoutError from None


def _body(content: bytes, seconds: float) -> BytesPayload | bytes | None:
    return _BytesWithWriteTimeout(content, seconds) if len(content) > _MAX_UNTIMED_BODY_BYTES else content or None


def _tls_error_of(error: aiohttp.ClientError | OSError | UnicodeError) -> Exception | None:
    """Return the original error of a failed TLS handshake. Its text contains no URL."""
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return error.certificate_error
    if isinstance(error, aiohttp.ClientConnectorSSLError):
        original: OSError = error.os_error
        return original
    return None


def _to_httpx_error(
    error: aiohttp.ClientError | OSError | UnicodeError, request: httpx.Request
) -> httpx.TransportError:
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
            return httpx.ConnectError("invalid hostname", request=request)
        case aiohttp.InvalidURL() | aiohttp.NonHttpUrlClientError():
            return httpx.UnsupportedProtocol("", request=request)
        case ResponseTooLongError():
            return httpx.RemoteProtocolError("the response is too long", request=request)
        case aiohttp.ServerDisconnectedError() | aiohttp.ClientPayloadError() | aiohttp.ClientResponseError():
            return httpx.RemoteProtocolError(type(error).__name__, request=request)
        case _WriteTimeoutError():
            return httpx.WriteTimeout("", request=request)
        case TimeoutError():
            text = f"no complete response in {_total_seconds(request):g} seconds, connecting and sending included"
            return httpx.ReadTimeout(text, request=request)
        case ssl.SSLError():  # its `errno` is a number of OpenSSL's
            return httpx.ReadError(f"TLS: {error.reason}", request=request)
        case OSError(errno=int(number)) if number > 0:
            return httpx.ReadError(os.strerror(number), request=request)
        case _:
            return httpx.ReadError(type(error).__name__, request=request)
