"""The MCP server over standard input and output, as a host's subprocess.

In the place of the SDK's transport, since this one has to end on a signal while a read or a write is pending, to answer
what is in flight when a host closes its end, and to answer lines that the SDK would pass over and leave a host waiting
for; and since it costs less (`wire`).
"""

from __future__ import annotations

import json
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
from pydantic import ValidationError

from customerio_track_mcp.signals import on_stop_signal
from customerio_track_mcp.stdio.pipes import LineReader, LineWriter, lines_to_stdout
from customerio_track_mcp.track.validation.identifiers import utf8_size

logger = logging.getLogger("customerio_track_mcp.stdio")

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
        except* OSError:
            logger.warning("standard output can't be written")
        tasks.cancel_scope.cancel()


def _exit_soon() -> None:
    """End the process by force, should something that can't be cancelled keep it, such as looking up a name."""
    timer = Timer(_SECONDS_TO_STOP, os._exit, args=(1,))
    timer.daemon = True
    timer.start()


async def _serve(server: Server[Any]) -> None:
    async with lines_to_stdout() as output:
        pending = _Pending()
        answers = _Answers(output, pending)
        await server.run(_Requests(LineReader(0), answers, pending), answers, server.create_initialization_options())


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

    def __init__(self, output: LineWriter, pending: _Pending) -> None:
        self._output = output
        self._pending = pending

    async def send(self, item: SessionMessage) -> None:
        await self._output.send(item.message.model_dump_json(by_alias=True, exclude_unset=True).encode())
        self._pending.answered(item.message)

    async def aclose(self) -> None:
        """Leave the output open: it is closed when all is written."""


class _Requests(ObjectReceiveStream[SessionMessage | Exception]):
    """The incoming messages, whose end is held back until every request has its answer.

    The SDK cancels what is in flight when the stream ends; a host that closes its end would lose those answers.
    """

    def __init__(self, reader: LineReader, answers: _Answers, pending: _Pending) -> None:
        self._reader = reader
        self._lines: deque[bytes] = deque()
        self._answers = answers
        self._pending = pending

    async def receive(self) -> SessionMessage | Exception:
        while True:
            while not self._lines:
                await self._read_on()
            line = self._lines.popleft()
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
        self._reader.close()

    async def _read_on(self) -> None:
        try:
            self._lines.extend(await self._reader.receive())
        except anyio.EndOfStream:
            await self._pending.wait_for_none()
            raise


class _NoMessageError(Exception):
    """A line holds no message; `answer` is what to answer to it."""

    def __init__(self, request_id: types.RequestId | None, code: int, message: str) -> None:
        super().__init__(message)
        error = types.ErrorData(code=code, message=message)
        self.answer = types.JSONRPCError(jsonrpc="2.0", id=request_id, error=error)


def _read_message(line: bytes) -> types.JSONRPCMessage:
    try:
        return types.jsonrpc_message_adapter.validate_json(line, by_name=False)
    except ValidationError:
        pass
    # pydantic's reader refuses what JSON allows: half a surrogate pair, deep nesting, very long integers. A tool can
    # tell what is wrong with those.
    try:
        value = json.loads(line.decode(errors="replace"), parse_int=_integer)
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
