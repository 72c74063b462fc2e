"""The head of a response, written together with the first part of its body."""

from __future__ import annotations

import asyncio
from typing import Any

from customerio_track_mcp.http.uvicorn_protocol import UvicornProtocol


class JoinedWritesMixin(UvicornProtocol):
    """Keeps the head of each response until its body follows, at the latest until the event loop's next turn.

    uvicorn writes both by themselves: one system call more, and often one for the client too. It can go when uvicorn
    joins them.
    """

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Handle a new connection; called by asyncio."""
        self._joining = _JoiningTransport(self, transport)
        super().connection_made(self._joining)  # type: ignore[arg-type]

    def on_response_complete(self) -> None:
        """Handle the end of a response; called by uvicorn."""
        self._joining.flush()  # the response to HEAD has no body
        super().on_response_complete()


class _JoiningTransport:
    """A transport that keeps the first write of each response until the second one."""

    def __init__(self, protocol: UvicornProtocol, transport: asyncio.Transport) -> None:
        self._protocol = protocol
        self._transport = transport
        self._started: object = None
        """The request whose response has begun."""
        self._head = b""

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def write(self, data: bytes) -> None:
        request = self._protocol.cycle
        if request is not None and request.response_started and request is not self._started:
            self._started = request
            self._head = data
            self._protocol.loop.call_soon(self.flush)
        elif self._head:
            head, self._head = self._head, b""
            self._transport.write(head + data)
        else:
            self._transport.write(data)

    def flush(self) -> None:
        """Write what was kept."""
        if self._head:
            head, self._head = self._head, b""
            self._transport.write(head)

    def get_write_buffer_size(self) -> int:
        return len(self._head) + self._transport.get_write_buffer_size()

    def close(self) -> None:
        self.flush()
        self._transport.close()

    def abort(self) -> None:
        self._head = b""
        self._transport.abort()
