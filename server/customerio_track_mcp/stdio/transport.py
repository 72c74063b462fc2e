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
from collections import deque
from threading import Timer
from typing import Any, Final

import anyio
import mcp_types as types
from anyio.abc import ObjectReceiveStream, ObjectSendStream
from mcp.server import Server
from mcp.shared.dispatcher import coerce_request_id
from mcp.shared.jsonrpc_dispatcher import cancelled_request_id_from_params
from mcp.shared.message import SessionMessage
from pydantic_core import to_json

from customerio_track_mcp.jsonrpc import BYTE_ORDER_MARK, InvalidMessageError, parse_message, too_long
from customerio_track_mcp.signals import on_stop_signal
from customerio_track_mcp.stdio.delivery import METADATA, settle_of
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
    """The requests that were received and not yet answered, and those that were sent to the host.

    Request ids are compared as the SDK's dispatcher compares them, with two functions that are not part of its public
    interface.
    """

    def __init__(self) -> None:
        self._ids: dict[types.RequestId, int] = {}  # with how often, since a host may use an id twice
        self._sent: set[types.RequestId] = set()
        self._changed = anyio.Event()

    def on_received(self, message: types.JSONRPCMessage) -> None:
        if isinstance(message, types.JSONRPCRequest):
            request_id = coerce_request_id(message.id)
            self._ids[request_id] = self._ids.get(request_id, 0) + 1
        elif isinstance(message, types.JSONRPCNotification) and message.method == "notifications/cancelled":
            self._remove(cancelled_request_id_from_params(message.params))
        elif isinstance(message, types.JSONRPCResponse | types.JSONRPCError) and message.id is not None:
            self._sent.discard(coerce_request_id(message.id))

    def on_sending(self, message: types.JSONRPCMessage) -> None:
        if isinstance(message, types.JSONRPCRequest):
            self._sent.add(message.id)
            self._changed.set()

    def on_sent(self, message: types.JSONRPCMessage) -> None:
        if isinstance(message, types.JSONRPCResponse | types.JSONRPCError):
            self._remove(message.id)
        elif message.method == "notifications/cancelled" and message.params is not None:
            self._sent.discard(message.params["requestId"])

    async def next_without_response(self) -> types.RequestId | None:
        """Return the id of a request to which the host, which sends nothing more, will not respond.

        None if every request that was received is answered.
        """
        while self._ids and not self._sent:
            self._changed = anyio.Event()
            await self._changed.wait()
        return self._sent.pop() if self._ids else None

    def _remove(self, request_id: types.RequestId | None) -> None:
        if request_id is not None:
            request_id = coerce_request_id(request_id)
            if (others := self._ids.pop(request_id, 0) - 1) > 0:
                self._ids[request_id] = others
        self._changed.set()


class _OutgoingMessages(ObjectSendStream[SessionMessage]):
    """The messages to the host; each response removes its request from `pending`."""

    def __init__(self, output: LineWriter, pending: _PendingRequests) -> None:
        self._output = output
        self._pending = pending

    async def send(self, item: SessionMessage) -> None:
        self._pending.on_sending(item.message)
        line = _line(item.message)
        settle = settle_of(item.message)
        try:
            await self._output.send(line, settle)
        except BaseException:  # canceled while other lines were queued
            if settle is not None:
                settle(False)
            raise
        self._pending.on_sent(item.message)

    async def aclose(self) -> None:
        """Keep the output open: it is closed when everything is written."""


class _IncomingMessages(ObjectReceiveStream[SessionMessage | Exception]):
    """The messages from the host, whose end is delayed until every request has its response.

    The SDK cancels what is in flight when the stream ends; a host that closes stdin would lose those responses. What
    waits for a response of the host gets an error, since no response will come.
    """

    def __init__(self, reader: LineReader, outgoing: _OutgoingMessages, pending: _PendingRequests) -> None:
        self._reader = reader
        self._lines: deque[Line] = deque()
        self._outgoing = outgoing
        self._pending = pending

    async def receive(self) -> SessionMessage | Exception:
        while True:
            while not self._lines:
                try:
                    self._lines.extend(await self._reader.receive())
                except anyio.EndOfStream:
                    return SessionMessage(await self._last_response())
            line = self._lines.popleft()
            try:
                message = _parse(line)
            except InvalidMessageError as invalid:
                await self._outgoing.send(SessionMessage(invalid.response))
                continue
            if message is not None:
                self._pending.on_received(message)
                return SessionMessage(message, METADATA)

    async def aclose(self) -> None:
        self._reader.close()

    async def _last_response(self) -> types.JSONRPCError:
        """Return a response in place of the host's.

        Raises:
            EndOfStream: none is needed, and every request is answered.
        """
        request_id = await self._pending.next_without_response()
        if request_id is None:
            raise anyio.EndOfStream
        error = types.ErrorData(code=types.CONNECTION_CLOSED, message="The host has closed the connection")
        return types.JSONRPCError(jsonrpc="2.0", id=request_id, error=error)


def _line(message: types.JSONRPCMessage) -> bytes:
    """Return a message as the bytes of a line."""
    if isinstance(message, types.JSONRPCResponse):  # nearly all are; not as a model, which takes twice as long
        return to_json({"jsonrpc": message.jsonrpc, "id": message.id, "result": message.result})
    return message.model_dump_json(by_alias=True, exclude_unset=True).encode()


def _parse(line: Line) -> types.JSONRPCMessage | None:
    """Parse a line; None if it is blank.

    Raises:
        InvalidMessageError: it is not a valid message.
    """
    if isinstance(line, LongLine):
        raise too_long(line.start, line.end, MAX_LINE_BYTES)
    return parse_message(line) if line.removeprefix(BYTE_ORDER_MARK).strip() else None
