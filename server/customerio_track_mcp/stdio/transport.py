"""Serve MCP over stdin and stdout, as a host's subprocess.

This replaces the SDK's stdio transport, which cannot end on a signal while a read or a write is pending
(https://github.com/modelcontextprotocol/python-sdk/issues/3551), cancels the calls in flight when the host closes stdin
(https://github.com/modelcontextprotocol/python-sdk/issues/2678), and does not respond to some invalid lines
(https://github.com/modelcontextprotocol/python-sdk/issues/2751). It also costs less per message (see `pipes`). It can
go when all of these are solved there.
"""

from __future__ import annotations

import logging
import os
from collections import Counter, deque
from threading import Timer
from typing import Any, Final

import anyio
import mcp_types as types
from anyio.abc import ObjectReceiveStream, ObjectSendStream
from mcp.server import Server
from mcp.shared.dispatcher import coerce_request_id
from mcp.shared.jsonrpc_dispatcher import cancelled_request_id_from_params
from mcp.shared.message import SessionMessage

from customerio_track_mcp.jsonrpc import BYTE_ORDER_MARK, InvalidMessageError, parse_message, too_long
from customerio_track_mcp.signals import on_stop_signal
from customerio_track_mcp.stdio.pipes import MAX_LINE_BYTES, Line, LineReader, LineWriter, LongLine, lines_to_stdout

logger = logging.getLogger("customerio_track_mcp.stdio")

_STOP_TIMEOUT: Final = 5


async def serve_stdio(server: Server[Any]) -> None:
    """Serve the host at the other end of stdin and stdout.

    At the end of input, the requests in flight are answered first. SIGTERM, SIGINT, and a host that no longer reads end
    the service at once.
    """
    async with anyio.create_task_group() as tasks:

        def stop() -> None:
            tasks.cancel_scope.cancel()
            _exit_after_timeout()

        tasks.start_soon(on_stop_signal, stop)
        try:
            await _serve(server)
        except* BrokenPipeError:
            logger.warning("the host closed standard output")
        except* OSError:
            logger.warning("standard output can't be written")
        tasks.cancel_scope.cancel()


def _exit_after_timeout() -> None:
    """End the process even if something that cannot be canceled, such as a DNS lookup, still runs."""
    timer = Timer(_STOP_TIMEOUT, os._exit, args=(1,))
    timer.daemon = True
    timer.start()


async def _serve(server: Server[Any]) -> None:
    async with lines_to_stdout() as output:
        pending = _PendingRequests()
        outgoing = _OutgoingMessages(output, pending)
        incoming = _IncomingMessages(LineReader(0), outgoing, pending)
        await server.run(incoming, outgoing, server.create_initialization_options())


class _PendingRequests:
    """The requests that were received and not yet answered.

    Request ids are compared as the SDK's dispatcher compares them, with two functions that are not part of its public
    interface.
    """

    def __init__(self) -> None:
        self._ids: Counter[types.RequestId] = Counter()  # a host may use an id twice
        self._empty = anyio.Event()

    def on_received(self, message: types.JSONRPCMessage) -> None:
        if isinstance(message, types.JSONRPCRequest):
            self._ids[coerce_request_id(message.id)] += 1
        elif isinstance(message, types.JSONRPCNotification) and message.method == "notifications/cancelled":
            self._remove(cancelled_request_id_from_params(message.params))

    def on_sent(self, message: types.JSONRPCMessage) -> None:
        if isinstance(message, types.JSONRPCResponse | types.JSONRPCError):
            self._remove(message.id)

    async def wait_until_empty(self) -> None:
        while self._ids:
            self._empty = anyio.Event()
            await self._empty.wait()

    def _remove(self, request_id: types.RequestId | None) -> None:
        if request_id is not None:
            self._ids -= Counter([coerce_request_id(request_id)])
        if not self._ids:
            self._empty.set()


class _OutgoingMessages(ObjectSendStream[SessionMessage]):
    """The messages to the host; each response removes its request from `pending`."""

    def __init__(self, output: LineWriter, pending: _PendingRequests) -> None:
        self._output = output
        self._pending = pending

    async def send(self, item: SessionMessage) -> None:
        await self._output.send(item.message.model_dump_json(by_alias=True, exclude_unset=True).encode())
        self._pending.on_sent(item.message)

    async def aclose(self) -> None:
        """Keep the output open: it is closed when everything is written."""


class _IncomingMessages(ObjectReceiveStream[SessionMessage | Exception]):
    """The messages from the host, whose end is delayed until every request has its response.

    The SDK cancels what is in flight when the stream ends; a host that closes stdin would lose those responses.
    """

    def __init__(self, reader: LineReader, outgoing: _OutgoingMessages, pending: _PendingRequests) -> None:
        self._reader = reader
        self._lines: deque[Line] = deque()
        self._outgoing = outgoing
        self._pending = pending

    async def receive(self) -> SessionMessage | Exception:
        while True:
            while not self._lines:
                await self._read_lines()
            line = self._lines.popleft()
            try:
                message = _parse(line)
            except InvalidMessageError as invalid:
                await self._outgoing.send(SessionMessage(invalid.response))
                continue
            if message is not None:
                self._pending.on_received(message)
                return SessionMessage(message)

    async def aclose(self) -> None:
        self._reader.close()

    async def _read_lines(self) -> None:
        try:
            self._lines.extend(await self._reader.receive())
        except anyio.EndOfStream:
            await self._pending.wait_until_empty()
            raise


def _parse(line: Line) -> types.JSONRPCMessage | None:
    """Parse a line; None if it is blank.

    Raises:
        InvalidMessageError: it is not a valid message.
    """
    if isinstance(line, LongLine):
        raise too_long(line.start, line.end, MAX_LINE_BYTES)
    return parse_message(line) if line.removeprefix(BYTE_ORDER_MARK).strip() else None
