"""Send requests over aiohttp's pooled connections: those of the Track API directly, and any that httpx describes.

This module is imported with the first request (see `pool.preload`), since importing aiohttp is slow. It imports all
that a failure needs, too: when something has failed, it may be impossible to open another file.
"""

from __future__ import annotations

import asyncio
import functools
import re
from collections.abc import Awaitable, Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any, Final

import aiohttp
import httpx
import yarl
from aiohttp.abc import AbstractStreamWriter
from aiohttp.client_proto import ResponseHandler
from aiohttp.payload import BytesPayload
from multidict import CIMultiDict

from customerio_track_mcp.track.operations import TrackRequest
from customerio_track_mcp.track.response_body import readable_body
from customerio_track_mcp.track.transports.aiohttp_errors import to_httpx_error
from customerio_track_mcp.track.transports.base import Destination, RequestSender, Response
from customerio_track_mcp.track.transports.httpx_trace import SENDING, WAITING
from customerio_track_mcp.track.transports.pool_errors import PoolClosedError, PoolTimeoutError, WriteTimeoutError
from customerio_track_mcp.track.transports.response_handler import BoundedResponseHandler
from customerio_track_mcp.track.transports.response_limits import MAX_BODY_BYTES, MAX_HEAD_BYTES
from customerio_track_mcp.track.transports.sending_trace import create_sending_trace
from customerio_track_mcp.track.transports.transport_errors import parse_transport_error

if TYPE_CHECKING:
    from ssl import SSLContext

_PLAIN_ORIGIN: Final = re.compile(r"https?://[a-z0-9.-]+(:[0-9]+)?")
_AUTOMATIC_HEADERS: Final = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")
"""What aiohttp adds to requests without them."""
_MAX_UNTIMED_BODY_BYTES: Final = 2**16


class AiohttpBackend:
    """Sends requests over a pool of connections.

    The text of aiohttp's errors may contain the URL, and with it an identifier
    (https://github.com/aio-libs/aiohttp/issues/3959), so they are replaced: see `aiohttp_errors`.

    Args:
        certificates: for https.
        max_connections: maximum number of concurrent requests.
    """

    def __init__(self, certificates: SSLContext | None, max_connections: int) -> None:
        connector = aiohttp.TCPConnector(limit=0, ssl=certificates or True)
        # Private, until aiohttp limits what it receives, and checks idle connections: see response_handler.py.
        handler: type[ResponseHandler] = BoundedResponseHandler
        self._event_loop = asyncio.get_running_loop()
        connector._factory = functools.partial(handler, loop=self._event_loop)
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            max_line_size=MAX_HEAD_BYTES,
            max_field_size=MAX_HEAD_BYTES,
            trust_env=False,
            trace_configs=[create_sending_trace()],
        )
        self._slots = asyncio.Semaphore(max_connections)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """Send `request` and receive the response. Redirects are returned, not followed.

        The request extensions `timeout` and `trace` are supported; of the trace's events, `WAITING` and `SENDING`.

        Returns:
            The response, with its body as it was received: not decoded, and complete unless it is longer than
            `MAX_BODY_BYTES`.

        Raises:
            httpx.TransportError: no response was received.
            RuntimeError: this is not the event loop in which the backend was created.
        """
        trace: Callable[[str, Mapping[str, Any]], Awaitable[None]] | None = request.extensions.get("trace")

        async def report(event: str) -> None:
            if trace is not None:
                await trace(event, {"request": request})

        await report(WAITING)
        timeouts = Timeouts(request.extensions["timeout"])
        headers = CIMultiDict((name.decode("latin-1"), value.decode("latin-1")) for name, value in request.headers.raw)
        try:
            response, content = await self.send(
                request.method,
                yarl.URL(str(request.url), encoded=True),
                headers,
                request.content,
                timeouts,
                functools.partial(report, SENDING),
                [name for name in _AUTOMATIC_HEADERS if name not in headers],
            )
        except (aiohttp.ClientError, OSError, UnicodeError) as error:
            httpx_error = to_httpx_error(error, timeouts.total, request)
            raise httpx_error from httpx_error.__cause__
        return httpx.Response(
            response.status, headers=list(response.raw_headers), stream=httpx.ByteStream(content), request=request
        )

    def sender_to(self, destination: Destination) -> RequestSender:
        """Return what sends requests to `destination`."""
        return _Sender(self, destination)

    async def send(
        self,
        method: str,
        url: yarl.URL,
        headers: CIMultiDict[str],
        content: bytes | None,
        timeouts: Timeouts,
        on_sending: Callable[[], Awaitable[None]],
        absent_headers: Collection[str] = (),
    ) -> tuple[aiohttp.ClientResponse, bytes]:
        """Send a request and receive the response.

        Args:
            method: the HTTP method.
            url: the URL, encoded.
            headers: all headers, except those that HTTP requires.
            content: the body; None if there is none.
            timeouts: for each step, and for the whole.
            on_sending: called right before the first byte is sent.
            absent_headers: names of `_AUTOMATIC_HEADERS` that are not in `headers`.

        Returns:
            The response, and its body as it was received: not decoded, and complete unless it is longer than
            `MAX_BODY_BYTES`.

        Raises:
            aiohttp.ClientError: no response was received. Its text may contain the URL.
            OSError: the same.
            UnicodeError: the same, since the hostname is invalid.
            RuntimeError: this is not the event loop in which the backend was created.
        """
        if asyncio.get_running_loop() is not self._event_loop:
            raise RuntimeError("a client cannot be used in another event loop than that of its first request")
        await self._acquire_slot(timeouts.pool)
        try:
            if self._session.closed:
                raise PoolClosedError
            response = await self._session.request(
                method,
                url,
                headers=headers,
                skip_auto_headers=absent_headers or None,
                data=_body(content, timeouts.write),
                allow_redirects=False,
                timeout=timeouts.of_aiohttp,
                trace_request_ctx=on_sending,
            )
            try:
                return response, await _read(response)
            finally:
                if not response.closed:
                    response.close()
        finally:
            self._slots.release()

    async def aclose(self) -> None:
        """Close every connection."""
        await self._session.close()

    async def _acquire_slot(self, seconds: float) -> None:
        if not self._slots.locked():
            await self._slots.acquire()
            return
        try:
            async with asyncio.timeout(seconds):
                await self._slots.acquire()
        except TimeoutError:
            raise PoolTimeoutError from None


class Timeouts:
    """The timeouts of a request, in seconds.

    Args:
        timeout: httpx's timeouts.
    """

    def __init__(self, timeout: Mapping[str, float]) -> None:
        self.pool = timeout["pool"]
        self.write = timeout["write"]
        self.total = timeout["connect"] + timeout["write"] + timeout["read"]
        """From the wait for a connection to the end of the response."""
        self.of_aiohttp = aiohttp.ClientTimeout(
            # aiohttp drops `sock_read` after an interim response (1xx); `total` covers what follows.
            total=self.total,
            connect=timeout["connect"],
            sock_connect=timeout["connect"],
            sock_read=timeout["read"],
        )


class _Sender:
    """Sends requests to one destination; what they have in common is prepared once."""

    def __init__(self, backend: AiohttpBackend, destination: Destination) -> None:
        self._backend = backend
        self._base = _parse_base_url(destination.base_url)
        self._base_path = self._base.raw_path.rstrip("/")
        self._headers = CIMultiDict(destination.headers)
        self._headers_with_body = CIMultiDict(destination.headers_with_body)
        self._timeouts = Timeouts(destination.timeout)

    async def send(self, request: TrackRequest, on_sending: Callable[[], None]) -> Response:
        async def report_sending() -> None:
            on_sending()

        path, _, query = request.path.partition("?")
        url = yarl.URL.build(
            scheme=self._base.scheme,
            authority=self._base.raw_authority,
            path=self._base_path + path,
            query_string=query,
            encoded=True,
        )
        headers = self._headers_with_body if request.content else self._headers
        try:
            response, content = await self._backend.send(
                request.method, url, headers, request.content, self._timeouts, report_sending
            )
        except (aiohttp.ClientError, OSError, UnicodeError) as error:
            # Not from the error itself, whose text may contain the URL.
            httpx_error = to_httpx_error(error, self._timeouts.total)
            raise parse_transport_error(httpx_error) from httpx_error
        return Response(response.status, response.raw_headers, readable_body(response.headers, content))

    async def aclose(self) -> None:
        await self._backend.aclose()


def _parse_base_url(base_url: str) -> yarl.URL:
    """Return a base URL as httpx encodes it (yarl would decode `%2B` in its path)."""
    if not _PLAIN_ORIGIN.fullmatch(base_url):
        base_url = str(httpx.URL(base_url))
    return yarl.URL(base_url, encoded=True)


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
            raise WriteTimeoutError from None


def _body(content: bytes | None, seconds: float) -> BytesPayload | bytes | None:
    if not content:
        return None
    return _BytesWithWriteTimeout(content, seconds) if len(content) > _MAX_UNTIMED_BODY_BYTES else content
