"""httpcore's network connections, with a limit on what is received for one response, and on what is left of one.

httpcore limits one head and one line, but neither the number of interim responses nor the framing of a body. And what
a server sends beyond the end of a response, it takes for the next one: https://github.com/encode/httpx/issues/1474.
"""

from __future__ import annotations

import ssl
from collections.abc import Iterable
from typing import Any, Final

import anyio.lowlevel
import h11
import httpcore

from customerio_track_mcp.track.transports.response_limits import MAX_BODY_BYTES, MAX_HEAD_BYTES

_MAX_READ_BYTES: Final = 2**12
"""At a time. h11 takes a millisecond or two to parse as many interim responses."""
_MAX_RESPONSE_BYTES: Final = MAX_HEAD_BYTES + MAX_BODY_BYTES + _MAX_READ_BYTES


class BoundedNetworkBackend(httpcore.AsyncNetworkBackend):
    """Opens connections on which a response may have up to 132 KiB, interim responses and framing included.

    Reading a longer one raises `httpcore.RemoteProtocolError`. A connection on which more than a response was received
    is not used again.

    Args:
        backend: opens the connections.
    """

    def __init__(self, backend: httpcore.AsyncNetworkBackend) -> None:
        self._backend = backend

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        """Open a connection."""
        return _BoundedStream(await self._backend.connect_tcp(host, port, timeout, local_address, socket_options))

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await self._backend.sleep(seconds)


class _BoundedStream(httpcore.AsyncNetworkStream):
    """A connection. Nothing is written to it while a response is received, so that a write starts the next one."""

    def __init__(self, stream: httpcore.AsyncNetworkStream) -> None:
        self._stream = stream
        self._response = bytearray()
        self._has_one_response: bool | None = None  # unknown

    async def read(self, max_bytes: int, timeout: float | None = None) -> bytes:  # noqa: ASYNC109 - httpcore's signature
        if len(self._response) >= _MAX_RESPONSE_BYTES:
            raise httpcore.RemoteProtocolError("the response is too long")
        if len(self._response) >= _MAX_READ_BYTES:
            # Over TLS, a read that finds data does not yield to other tasks.
            await anyio.lowlevel.checkpoint()
        data = await self._stream.read(min(max_bytes, _MAX_READ_BYTES), timeout)
        self._response += data
        self._has_one_response = None
        return data

    async def write(self, buffer: bytes, timeout: float | None = None) -> None:  # noqa: ASYNC109 - httpcore's signature
        self._response.clear()
        await self._stream.write(buffer, timeout)

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,  # noqa: ASYNC109 - httpcore's signature
    ) -> httpcore.AsyncNetworkStream:
        return _BoundedStream(await self._stream.start_tls(ssl_context, server_hostname, timeout))

    def get_extra_info(self, info: str) -> Any:
        # httpcore does not use an idle connection again if it is readable.
        if info == "is_readable" and (not self._is_at_end_of_response() or self._has_received_more()):
            return True
        return self._stream.get_extra_info(info)

    def _is_at_end_of_response(self) -> bool:
        if self._has_one_response is None:
            self._has_one_response = _is_one_response(self._response)
        return self._has_one_response

    def _has_received_more(self) -> bool:
        """Return whether the TLS layer has data that was not read."""
        tls: ssl.SSLObject | None = self._stream.get_extra_info("ssl_object")
        if tls is None:
            return False
        try:
            tls.read(1)
        except ssl.SSLWantReadError:
            return False
        except ssl.SSLError:
            pass  # closed or broken
        return True


def _is_one_response(received: bytearray) -> bool:
    """Return whether `received` is a complete response and nothing else."""
    parser = h11.Connection(h11.CLIENT)
    parser.send(h11.Request(method="GET", target="/", headers=[("Host", "")]))
    parser.send(h11.EndOfMessage())
    parser.receive_data(bytes(received))
    try:
        event = parser.next_event()
        while isinstance(event, h11.InformationalResponse | h11.Response | h11.Data):
            event = parser.next_event()
    except h11.RemoteProtocolError:
        return False
    return isinstance(event, h11.EndOfMessage) and not parser.trailing_data[0]
