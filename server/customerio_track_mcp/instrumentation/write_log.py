"""The write log: one line of JSON for each call that was valid or refused, with a word of `write_outcomes`.

A line is ASCII, so that nothing that a caller sent changes what a terminal shows. It contains no attributes, no event
data, and of a segment's people only their number.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import stat
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from customerio_track_mcp.instrumentation.calls import CallRecord, OnCall, Outcome, current_caller
from customerio_track_mcp.instrumentation.line_appender import LineAppender, open_to_append
from customerio_track_mcp.instrumentation.pseudonyms import pseudonym
from customerio_track_mcp.instrumentation.write_outcomes import WriteOutcome, is_write, write_outcome
from customerio_track_mcp.settings.errors import SettingsError
from customerio_track_mcp.settings.server import Settings
from customerio_track_mcp.track import is_loopback, shorten

logger = logging.getLogger("customerio_track_mcp.calls")

_MAX_CLIENT_CHARACTERS: Final = 100
_CLOSE_TIMEOUT: Final = 2.0


@contextmanager
def open_write_log(
    path: Path, settings: Settings, base_url: str, on_lost: Callable[[int], None], *, is_sandbox: bool = False
) -> Iterator[OnCall]:
    """Yield a function that adds a call to a write log. It neither waits nor raises.

    At the end of the block, what is queued is written, for at most two seconds.

    Args:
        path: the file.
        settings: how it names people.
        base_url: the Track API's. Calls to one on this machine, such as a sandbox, are marked.
        on_lost: called in this event loop with a number of calls that the file lacks, since it cannot be written.
        is_sandbox: whether the Track API is a sandbox, which may be on another machine.

    Raises:
        SettingsError: the file cannot be written.
    """
    require_write_log(path)
    loop = asyncio.get_running_loop()

    def lose(lines: int) -> None:
        with suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(on_lost, lines)

    appender = LineAppender(path, lambda lost: _line({"time": _now(), "lost": lost}), lose)
    hash_key = settings.hash_key if settings.write_log_identifiers == "hash" else None
    fixed = {"sandbox": True} if is_sandbox or is_loopback(urlsplit(base_url).hostname or "") else {}

    def add(call: CallRecord) -> None:
        if is_write(call.context):
            appender.append(_line(_fields(call, hash_key) | fixed))

    try:
        yield add
    finally:
        appender.close(_CLOSE_TIMEOUT)


def require_write_log(path: Path) -> None:
    """Check that a file can be written as a write log, and create it if there is none.

    Raises:
        SettingsError: it cannot.
    """
    try:
        descriptor = open_to_append(path)
    except OSError as error:
        raise SettingsError(
            [
                f"CUSTOMERIO_WRITE_LOG: {path} cannot be written: {error.strerror}; name a file in an existing folder "
                "in which this user may create files"
            ]
        ) from None
    mode = os.fstat(descriptor).st_mode
    os.close(descriptor)
    if mode & stat.S_IRWXO and sys.platform != "win32":
        logger.warning("every user of this machine has access to the write log: chmod it to 600")


def _fields(call: CallRecord, hash_key: bytes | None) -> dict[str, object]:
    context, caller = call.context, current_caller()
    outcome = write_outcome(context)
    person = context.person
    if person is not None and hash_key is not None:
        person = pseudonym(hash_key, person)
    optional: Mapping[str, object] = {
        "code": "" if _says_the_same(context.outcome, outcome) else str(context.outcome),
        "caller": caller.name if caller else "",
        "request_id": caller.request_id if caller else "",
        "client": shorten(context.client_name, _MAX_CLIENT_CHARACTERS),
        "client_version": shorten(context.client_version, _MAX_CLIENT_CHARACTERS),
        "person": person,
        "people": context.people,
        "event": context.event_name,
        "event_id": context.event_id,
        "joined": context.is_joined,
        "reused": context.is_reused,
        "segment": context.segment_id,
        "confirmed_by": context.confirmed_by and str(context.confirmed_by),
    }
    return {
        "time": _now(),
        "tool": call.tool,
        "outcome": str(outcome),
        **{name: value for name, value in optional.items() if value},
        # A joined call has the progress of the call that was sent, whose attempts count once.
        "attempts": 0 if context.is_joined else context.progress.attempts,
        "ms": round(call.seconds * 1000, 1),
    }


def _says_the_same(code: str, outcome: WriteOutcome) -> bool:
    return code in (Outcome.OK, outcome) or (code == Outcome.CANCELED and outcome is WriteOutcome.CANCELED)


def _line(fields: Mapping[str, object]) -> bytes:
    return json.dumps(fields, separators=(",", ":")).encode("ascii") + b"\n"


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
