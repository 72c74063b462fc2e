"""The MCP server over standard input and output, as a host's subprocess.

The SDK's transport writes; reading is ours. It has to end on a signal while a read is pending, to answer what is in
flight when a host closes its end, and to answer lines that the SDK would pass over and leave a host waiting for.
"""

from __future__ import annotations

import json
import logging
import os
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from threading import Thread, Timer
from typing import Any, Final, Protocol, cast

import anyio
import anyio.from_thread
import anyio.lowlevel
import mcp_types as types
from anyio.abc import ObjectReceiveStream, ObjectSendStream
from anyio.streams.memory import MemoryObjectReceiveStream
from mcp.server import Server
from mcp.server.stdio import stdio_server
from mcp.shared.dispatcher import coerce_request_id
from mcp.shared.jsonrpc_dispatcher import cancelled_request_id_from_params
from mcp.shared.message import SessionMessage
from pydantic import ValidationError

from customerio_track_mcp.signals import on_stop_signal
from customerio_track_mcp.track.identifiers import utf8_size

logger = logging.getLogger(__name__)

_READ_AHEAD: Final = 16
_SECONDS_TO_STOP: Final = 5
_MOST_DIGITS: Final = 4000  # Python refuses to read integers of over 4300


async def serve_stdio(server: Server[Any]) -> None:
    """Serve the host at the other end of standard input and output.

    At the end of input the requests still in flight are answered first; SIGTERM and SIGINT, and a host that no longer
    reads, end the service at once.
    """
    async with anyio.create_task_group() as tasks:

        def stop() -> None:
            tasks.cancel_scope.cancel()
            _exit_soon()

        tasks.start_soon(on_stop_signal, stop)
        try:
            await _serve(server)
        except* BrokenPipeError:
            logger.warning("the host closed standard output")
        tasks.cancel_scope.cancel()


def _exit_soon() -> None:
    """End the process by force, should a host that does not read keep a write from ending."""
    timer = Timer(_SECONDS_TO_STOP, os._exit, args=(1,))
    timer.daemon = True
    timer.start()


async def _serve(server: Server[Any]) -> None:
    ended = anyio.Event()
    # The SDK's own reader is given nothing to read.
    silence = cast("anyio.AsyncFile[str]", _no_lines_until(ended))
    async with stdio_server(stdin=silence) as (unread, write_stream), unread, _lines_of_stdin() as lines:
        try:
            pending = _Pending()
            answers = _Answers(write_stream, pending)
            await server.run(_Requests(lines, answers, pending), answers, server.create_initialization_options())
        finally:
            ended.set()


async def _no_lines_until(ended: anyio.Event) -> AsyncIterator[str]:
    await ended.wait()
    nothing: tuple[str, ...] = ()
    for line in nothing:
        yield line


@asynccontextmanager
async def _lines_of_stdin() -> AsyncIterator[MemoryObjectReceiveStream[str]]:
    """The lines of standard input, read by a daemon thread.

    A pending read can't be cancelled: in one of anyio's own threads it would keep the process from ending.
    """
    send, receive = anyio.create_memory_object_stream[str](_READ_AHEAD)
    token = anyio.lowlevel.current_token()

    def read() -> None:
        with suppress(anyio.RunFinishedError, anyio.BrokenResourceError):
            try:
                with os.fdopen(os.dup(0), encoding="utf-8", errors="replace") as lines:
                    for line in lines:
                        anyio.from_thread.run(send.send, line, token=token)
            except OSError as error:
                logger.warning("standard input can't be read: %s", error.strerror)
            finally:
                anyio.from_thread.run_sync(send.close, token=token)

    Thread(target=read, name="stdin", daemon=True).start()
    with receive:
        yield receive


class _Sink(Protocol):
    async def send(self, item: SessionMessage, /) -> None: ...

    async def aclose(self) -> None: ...


class _Pending:
    """The requests that were read and not yet answered."""

    def __init__(self) -> None:
        self._ids: Counter[types.RequestId] = Counter()  # a host may use an id twice
        self._none_left = anyio.Event()

    def asked(self, message: types.JSONRPCMessage) -> None:
        if isinstance(message, types.JSONRPCRequest):
            self._ids[coerce_request_id(message.id)] += 1
        elif isinstance(message, types.JSONRPCNotification) and message.method == "notifications/cancelled":
            self._forget(cancelled_request_id_from_params(message.params))

    def answered(self, message: types.JSONRPCMessage) -> None:
        if isinstance(message, types.JSONRPCResponse | types.JSONRPCError):
            self._forget(message.id)

    async def wait_for_none(self) -> None:
        while self._ids:
            self._none_left = anyio.Event()
            await self._none_left.wait()

    def _forget(self, request_id: types.RequestId | None) -> None:
        if request_id is not None:
            self._ids -= Counter([coerce_request_id(request_id)])
        if not self._ids:
            self._none_left.set()


class _Answers(ObjectSendStream[SessionMessage]):
    """The outgoing messages, which tell `pending` of each answer that is on its way."""

    def __init__(self, sink: _Sink, pending: _Pending) -> None:
        self._sink = sink
        self._pending = pending

    async def send(self, item: SessionMessage) -> None:
        await self._sink.send(item)
        self._pending.answered(item.message)

    async def aclose(self) -> None:
        await self._sink.aclose()


class _Requests(ObjectReceiveStream[SessionMessage | Exception]):
    """The incoming messages, whose end is held back until every request has its answer.

    The SDK cancels what is in flight when the stream ends; a host that closes its end would lose those answers.
    """

    def __init__(self, lines: MemoryObjectReceiveStream[str], answers: _Answers, pending: _Pending) -> None:
        self._lines = lines
        self._answers = answers
        self._pending = pending

    async def receive(self) -> SessionMessage | Exception:
        while True:
            try:
                line = await self._lines.receive()
            except anyio.EndOfStream:
                await self._pending.wait_for_none()
                raise
            if not line.strip():
                continue
            try:
                message = _read_message(line)
            except _NoMessageError as no_message:
                await self._answers.send(SessionMessage(no_message.answer))
                continue
            self._pending.asked(message)
            return SessionMessage(message)

    async def aclose(self) -> None:
        await self._lines.aclose()


class _NoMessageError(Exception):
    """A line holds no message; `answer` is what to answer to it."""

    def __init__(self, request_id: types.RequestId | None, code: int, message: str) -> None:
        super().__init__(message)
        error = types.ErrorData(code=code, message=message)
        self.answer = types.JSONRPCError(jsonrpc="2.0", id=request_id, error=error)


def _read_message(line: str) -> types.JSONRPCMessage:
    try:
        return types.jsonrpc_message_adapter.validate_json(line, by_name=False)
    except ValidationError:
        pass
    # pydantic's reader refuses what JSON allows: half a surrogate pair, deep nesting, very long integers. A tool can
    # tell what is wrong with those.
    try:
        value = json.loads(line, parse_int=_integer)
    except (ValueError, RecursionError):
        raise _NoMessageError(None, types.PARSE_ERROR, "Parse error") from None
    try:
        _check_names(value)
        return types.jsonrpc_message_adapter.validate_python(value, by_name=False)
    except (ValidationError, UnicodeEncodeError):
        request_id = value.get("id") if isinstance(value, dict) else None
        writable = isinstance(request_id, str) and utf8_size(request_id) is not None
        known = request_id if isinstance(request_id, int) or writable else None
        raise _NoMessageError(known, types.INVALID_REQUEST, "Invalid request") from None


def _check_names(message: object) -> None:
    """Refuse half a surrogate pair where an answer would have to repeat it: in the id, the method or a tool's name."""
    if isinstance(message, dict):
        params = message.get("params")
        for name in (
            message.get("id"),
            message.get("method"),
            params.get("name") if isinstance(params, dict) else None,
        ):
            str(name).encode()


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= _MOST_DIGITS else float("inf")
