"""The MCP server over standard input and output, as a host's subprocess."""

from __future__ import annotations

import io
import os
from collections.abc import AsyncIterator
from contextlib import suppress
from threading import Thread
from typing import Any, Final, Protocol, cast

import anyio
import anyio.from_thread
import anyio.lowlevel
import mcp_types as types
from anyio.abc import ObjectReceiveStream, ObjectSendStream
from mcp.server import Server
from mcp.server.stdio import stdio_server
from mcp.shared.message import SessionMessage

from customerio_track_mcp.signals import on_stop_signal

_READ_AHEAD: Final = 16


async def serve_stdio(server: Server[Any]) -> None:
    """Serve the host at the other end of standard input and output.

    At the end of input the requests still in flight are answered first; SIGTERM and SIGINT end the service at once.
    """
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(on_stop_signal, tasks.cancel_scope.cancel)
        stdin = cast("anyio.AsyncFile[str]", _lines_of_stdin())
        async with stdio_server(stdin=stdin) as (read_stream, write_stream):
            pending = _Pending()
            await server.run(
                _Asked(read_stream, pending), _Answered(write_stream, pending), server.create_initialization_options()
            )
        tasks.cancel_scope.cancel()


async def _lines_of_stdin() -> AsyncIterator[str]:
    """The lines of standard input, read by a daemon thread.

    A pending read can't be cancelled: in one of anyio's own threads it would keep the process from ending.
    """
    send, receive = anyio.create_memory_object_stream[str](_READ_AHEAD)
    token = anyio.lowlevel.current_token()

    def read() -> None:
        with suppress(anyio.RunFinishedError, anyio.BrokenResourceError), os.fdopen(os.dup(0), "rb") as raw:
            for line in io.TextIOWrapper(raw, encoding="utf-8", errors="replace"):
                anyio.from_thread.run(send.send, line, token=token)
            anyio.from_thread.run_sync(send.close, token=token)

    Thread(target=read, name="stdin", daemon=True).start()
    async with receive:
        async for line in receive:
            yield line


class _Source(Protocol):
    async def receive(self) -> SessionMessage | Exception: ...

    async def aclose(self) -> None: ...


class _Sink(Protocol):
    async def send(self, item: SessionMessage, /) -> None: ...

    async def aclose(self) -> None: ...


class _Pending:
    """The requests that were read and not yet answered."""

    def __init__(self) -> None:
        self._ids: set[types.RequestId] = set()
        self._none_left = anyio.Event()

    def asked(self, message: object) -> None:
        if not isinstance(message, SessionMessage):
            return
        inner = message.message
        if isinstance(inner, types.JSONRPCRequest):
            self._ids.add(inner.id)
        elif isinstance(inner, types.JSONRPCNotification) and inner.method == "notifications/cancelled":
            self._forget((inner.params or {}).get("requestId"))

    def answered(self, message: SessionMessage) -> None:
        if isinstance(message.message, types.JSONRPCResponse | types.JSONRPCError):
            self._forget(message.message.id)

    async def wait_for_none(self) -> None:
        while self._ids:
            self._none_left = anyio.Event()
            await self._none_left.wait()

    def _forget(self, request_id: types.RequestId | None) -> None:
        if request_id is not None:
            self._ids.discard(request_id)
        if not self._ids:
            self._none_left.set()


class _Asked(ObjectReceiveStream[SessionMessage | Exception]):
    """The incoming messages, whose end is held back until every request has its answer.

    The SDK cancels what is in flight when the stream ends; a host that closes its end would lose those answers.
    """

    def __init__(self, inner: _Source, pending: _Pending) -> None:
        self._inner = inner
        self._pending = pending

    async def receive(self) -> SessionMessage | Exception:
        try:
            message = await self._inner.receive()
        except anyio.EndOfStream:
            await self._pending.wait_for_none()
            raise
        self._pending.asked(message)
        return message

    async def aclose(self) -> None:
        await self._inner.aclose()


class _Answered(ObjectSendStream[SessionMessage]):
    """The outgoing messages, which tell `pending` of each answer that is on its way."""

    def __init__(self, inner: _Sink, pending: _Pending) -> None:
        self._inner = inner
        self._pending = pending

    async def send(self, item: SessionMessage) -> None:
        await self._inner.send(item)
        self._pending.answered(item)

    async def aclose(self) -> None:
        await self._inner.aclose()
