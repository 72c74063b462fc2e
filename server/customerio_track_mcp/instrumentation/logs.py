"""Logs on stderr, as text or JSON; stdout carries the protocol.

A line is an event in fixed words, with fields. No field contains a secret or personal data: a person appears as a keyed
hash, with which whoever has the key and the identifier can find that person's lines.
"""

from __future__ import annotations

import json
import logging
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from logging.handlers import MemoryHandler
from typing import Final

from opentelemetry import trace

from customerio_track_mcp.instrumentation.calls import CallRecord, OnCall, current_caller
from customerio_track_mcp.instrumentation.pseudonyms import pseudonym
from customerio_track_mcp.settings.server import LogFormat

logger = logging.getLogger("customerio_track_mcp.calls")

_LOGGERS_THAT_REPEAT_INPUT: Final = (
    "mcp.server.transport_security",  # Host and Origin; our own line reports that a request was refused
    "opentelemetry.trace",  # the state of a trace
    "opentelemetry.propagators",
    "opentelemetry.baggage",
)
_MAX_DELAYED_LINES: Final = 10_000
_OWN_LOGGERS: Final = "customerio_track_mcp"
_CHARACTERS_TO_QUOTE: Final = frozenset(' "=')
_STANDARD_ATTRIBUTES: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def configure_logging(level: str, log_format: LogFormat = "text") -> None:
    """Log this package's lines from `level` to stderr, and only warnings of other packages.

    Other packages stay at WARNING whatever `level` is: httpx logs each request's URL, which contains a person's
    identifier, and the MCP SDK logs messages with their content.
    """
    # Not found out for each line, since no line contains them.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_json_formatter() if log_format == "json" else _TextFormatter())
    handler.addFilter(_add_context)
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger(_OWN_LOGGERS).setLevel(level)
    for name in _LOGGERS_THAT_REPEAT_INPUT:
        logging.getLogger(name).setLevel(logging.CRITICAL)


@contextmanager
def delayed_logs() -> Iterator[None]:
    """Write the log lines of the block when it ends, so that they follow what it prints."""
    written_later = MemoryHandler(_MAX_DELAYED_LINES, flushLevel=sys.maxsize)
    handlers = logging.root.handlers
    logging.root.handlers = [written_later]
    try:
        yield
    finally:
        logging.root.handlers = handlers
        for record in written_later.buffer:
            for handler in handlers:
                handler.handle(record)


def call_log(hash_key: bytes) -> OnCall:
    """Return a function that logs one line for each tool call.

    Args:
        hash_key: the key of the HMAC that replaces identifiers. Processes with the same key log the same hash for the
            same person.
    """

    def log(call: CallRecord) -> None:
        if not logger.isEnabledFor(logging.INFO):
            return
        context = call.context
        fields: dict[str, object] = {
            "tool": call.tool,
            "outcome": str(context.outcome),
            "attempts": context.progress.attempts,
            "ms": round(call.seconds * 1000, 1),
        }
        if context.person is not None:
            fields["person"] = pseudonym(hash_key, context.person)
        elif context.people:
            fields["people"] = context.people
        if context.confirmed_by is not None:
            fields["confirmed_by"] = str(context.confirmed_by)
        logger.info("tool call", extra=fields)

    return log


def _add_context(record: logging.LogRecord) -> bool:
    if caller := current_caller():
        record.request_id = caller.request_id
        if caller.name:
            record.caller = caller.name
    # Not a span that only names a caller's trace: nothing is exported for it.
    if (span := trace.get_current_span()).is_recording():
        record.trace_id = trace.format_trace_id(span.get_span_context().trace_id)
    return True


def _json_formatter() -> logging.Formatter:
    from pythonjsonlogger.json import JsonFormatter

    class Formatter(JsonFormatter):
        def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802 - as below
            del datefmt
            local = time.localtime(record.created)
            # `strftime` has no milliseconds.
            return f"{time.strftime('%Y-%m-%dT%H:%M:%S', local)}.{int(record.msecs):03}{time.strftime('%z', local)}"

    return Formatter(
        ["asctime", "levelname", "name", "message"],
        rename_fields={"asctime": "time", "levelname": "level", "name": "logger", "message": "event"},
    )


class _TextFormatter(logging.Formatter):
    """Formats the event, followed by its fields as `name=value`."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s")
        self._second = (0, "")

    def formatTime(self, record: logging.LogRecord, datefmt: str | None = None) -> str:  # noqa: N802 - as below
        del datefmt
        second, text = self._second
        if second != int(record.created):  # else the same as in the line before
            second = int(record.created)
            text = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(second))
            self._second = second, text
        return f"{text},{int(record.msecs):03}"

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's own name
        fields = [
            f" {name}={_quote(value)}" for name, value in vars(record).items() if name not in _STANDARD_ATTRIBUTES
        ]
        return _escape(super().formatMessage(record)) + "".join(fields)


def _escape(text: str) -> str:
    """Return `text` on one line, without control characters: a library's message may repeat what somebody sent."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else json.dumps(char)[1:-1] for char in text)


def _quote(value: object) -> str:
    text = str(value)
    return text if text.isprintable() and text and _CHARACTERS_TO_QUOTE.isdisjoint(text) else json.dumps(text)
