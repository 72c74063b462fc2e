"""Logging to standard error, as text or JSON: standard output is the wire.

A line is an event in a few fixed words and fields beside it. No field holds a secret or personal data: people are told
by a keyed hash, with which the lines about one person can be found by who has the key and the identifier.
"""

from __future__ import annotations

import hmac
import json
import logging
import sys
from typing import Final, Literal

from customerio_track_mcp.instrumentation.calls import CallRecord, OnCall, current_caller

logger = logging.getLogger("customerio_track_mcp.calls")

LogFormat = Literal["text", "json"]

_REPEAT_WHAT_CALLERS_WROTE: Final = (
    "mcp.server.transport_security",  # Host and Origin; that a request was refused is told by us
    "opentelemetry.trace",  # the state of a trace
    "opentelemetry.propagators",
    "opentelemetry.baggage",
)
_OURS: Final = "customerio_track_mcp"
_QUOTED_WITH: Final = frozenset(' "=')
_OF_EVERY_RECORD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


def configure_logging(level: str, log_format: LogFormat = "text") -> None:
    """Send this package's log lines from `level` upwards to standard error, and of other packages only warnings.

    Other packages stay at WARNING whatever `level` says: httpx logs each request's URL, in which a person's
    identifier stands, and the MCP SDK logs messages with their content.
    """
    # What no line holds need not be found out for each.
    logging.logThreads = logging.logProcesses = logging.logMultiprocessing = False
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_json_formatter() if log_format == "json" else _TextFormatter())
    handler.addFilter(_add_caller)
    logging.basicConfig(level=logging.WARNING, handlers=[handler], force=True)
    logging.getLogger(_OURS).setLevel(level)
    for name in _REPEAT_WHAT_CALLERS_WROTE:
        logging.getLogger(name).setLevel(logging.CRITICAL)


def call_log(hash_key: bytes) -> OnCall:
    """Something that writes one line for each tool call.

    Args:
        hash_key: the key of the hash in whose place no identifier is logged. Processes with the same key tell the
            same person by the same hash.
    """

    def log(call: CallRecord) -> None:
        notes = call.notes
        fields: dict[str, object] = {
            "tool": call.tool,
            "outcome": notes.outcome.value,
            "attempts": notes.progress.attempts,
            "ms": round(call.seconds * 1000, 1),
        }
        if notes.person is not None:
            fields["person"] = hmac.digest(hash_key, notes.person.encode(), "sha256").hex()[:16]
        elif notes.people:
            fields["people"] = notes.people
        logger.info("tool call", extra=fields)

    return log


def _add_caller(record: logging.LogRecord) -> bool:
    if caller := current_caller():
        record.request_id = caller.request_id
        if caller.name:
            record.caller = caller.name
    return True


def _json_formatter() -> logging.Formatter:
    from pythonjsonlogger.json import JsonFormatter

    return JsonFormatter(
        ["asctime", "levelname", "name", "message"],
        rename_fields={"asctime": "time", "levelname": "level", "name": "logger", "message": "event"},
        datefmt="%Y-%m-%dT%H:%M:%S%z",
    )


class _TextFormatter(logging.Formatter):
    """The event, and the fields as `name=value`."""

    def __init__(self) -> None:
        super().__init__("%(asctime)s %(levelname)s %(name)s %(message)s")

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - logging's own name
        fields = [f" {name}={_shown(value)}" for name, value in vars(record).items() if name not in _OF_EVERY_RECORD]
        return _printable(super().formatMessage(record)) + "".join(fields)


def _printable(text: str) -> str:
    """`text` on one line, without what a terminal would obey: a library's message may repeat what somebody sent."""
    if text.isprintable():
        return text
    return "".join(letter if letter.isprintable() else json.dumps(letter)[1:-1] for letter in text)


def _shown(value: object) -> str:
    text = str(value)
    return text if text.isprintable() and text and _QUOTED_WITH.isdisjoint(text) else json.dumps(text)
