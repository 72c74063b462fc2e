"""The log of requests to the Track API: each is added when it was received, and replaced when it ends.

A request that is carried out and answered at once is published when it ends. One whose response is delayed is published
before that, as in flight.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from aiohttp import web

from customerio_track_mcp.sandbox.bounded_log import BoundedLog
from customerio_track_mcp.sandbox.bounds import (
    MAX_FAILED_REQUESTS,
    MAX_LOGGED_BODY_CHARACTERS,
    MAX_LOGGED_HEADER_CHARACTERS,
    MAX_LOGGED_HEADERS,
)
from customerio_track_mcp.sandbox.calls import CALL_HEADER, is_call_id
from customerio_track_mcp.sandbox.records import Change, Effect, LoggedRequest, instance_of, record_of

_CREDENTIALS: Final = frozenset({"authorization", "proxy-authorization", "cookie"})
_RECORD_BYTES: Final = 600
"""Memory of a logged request in addition to its texts."""
_HEADER_BYTES: Final = 160
"""Memory of a header in addition to its characters."""

_Headers = tuple[tuple[str, str], ...]
_RequestKey = tuple[str, str, int]
"""What a request has in common with its retries."""


class RequestTimer:
    """When a request was received, and how long ago that is."""

    def __init__(self) -> None:
        self.at: Final = time.time()
        self._started = time.monotonic()

    @property
    def seconds(self) -> float:
        """Seconds since then, whatever happens to the system's clock."""
        return time.monotonic() - self._started


@dataclass(slots=True)
class PendingRequest:
    """A request in flight.

    Attributes:
        log: the log that has it, which a reset replaces.
        number: its number there.
        record: its record so far.
        size: the size of `record` in memory, in bytes.
        key: what it has in common with its retries.
        timer: when it was received.
    """

    log: BoundedLog[LoggedRequest]
    number: int
    record: LoggedRequest
    size: int
    key: _RequestKey
    timer: RequestTimer


class RequestLog:
    """The newest requests.

    Attributes:
        log: the requests.
        on_change: called with each request that was added or replaced.
    """

    def __init__(self) -> None:
        self.log: BoundedLog[LoggedRequest] = BoundedLog()
        self.on_change: Callable[[Change], None] = lambda _: None
        self._failed_attempts: dict[_RequestKey, int] = {}

    def start(
        self, request: web.Request, timer: RequestTimer, content: bytes | None, operation: str | None, fault: str | None
    ) -> PendingRequest:
        """Add a request that was received, and return what `end` needs.

        Args:
            request: the request.
            timer: when it was received.
            content: its body; None if it was not received completely.
            operation: the operation that it asks for, if there is one.
            fault: the kind of the injected fault; None without one.
        """
        path = _printable(request.raw_path)
        key = (request.method, path, hash(content))
        attempt = self._failed_attempts.pop(key, 0) + 1
        if fault is not None:
            # Count it as failed already: the client's retry may arrive while this request is still delayed.
            self._record_failure(key, attempt)
        body = None if content is None else content.decode(errors="replace")
        call = request.headers.get(CALL_HEADER, "")
        record = LoggedRequest(
            at=timer.at,
            method=request.method,
            path=path,
            body=_if_kept(body),
            attempt=attempt,
            status=None,
            fault=fault,
            operation=operation,
            call=call if is_call_id(call) else None,
            headers=_kept(request.headers.items()),
        )
        size = _size(record)
        return PendingRequest(self.log, self.log.add(record, size), record, size, key, timer)

    def delay(self, pending: PendingRequest, effect: Effect) -> None:
        """Publish a request whose operation was carried out, and whose response is delayed.

        Args:
            pending: the request.
            effect: what its operation did.
        """
        pending.record = replace(pending.record, **record_of(effect))
        self._replace(pending)

    def end(self, pending: PendingRequest, response: web.StreamResponse | None, effect: Effect) -> None:
        """Complete a request.

        Args:
            pending: the request.
            response: what its client received; None if it received nothing.
            effect: what its operation did.
        """
        status = None if response is None else response.status
        if status is None or status in (408, 429) or status >= 500:
            self._record_failure(pending.key, pending.record.attempt)
        else:
            self._failed_attempts.pop(pending.key, None)
        text = _if_kept(response.text) if isinstance(response, web.Response) else None
        headers = () if response is None else _kept(response.headers.items())
        pending.record = replace(
            pending.record,
            status=status,
            seconds=pending.timer.seconds,
            response=text,
            response_headers=headers,
            **record_of(effect),
        )
        pending.size += sys.getsizeof(text) + _headers_size(headers)
        self._replace(pending)

    def clear(self) -> None:
        """Remove every request. Those in flight are not added again when they end."""
        self.log = BoundedLog()
        self._failed_attempts.clear()

    def restore(self, change: Change) -> None:
        """Restore a request from storage. One that was in flight remains without a response.

        Raises:
            ValueError: the record is invalid. The message does not quote it.
        """
        record = instance_of(LoggedRequest, change.record)
        if record.status is None and record.seconds is None:
            record = replace(record, seconds=0.0)
        self.log.add(record, _size(record), int(change.key))

    def _replace(self, pending: PendingRequest) -> None:
        if pending.log is self.log and self.log.replace(pending.number, pending.record, pending.size):
            self.on_change(Change("request", str(pending.number), record_of(pending.record)))

    def _record_failure(self, key: _RequestKey, attempt: int) -> None:
        self._failed_attempts[key] = attempt
        if len(self._failed_attempts) > MAX_FAILED_REQUESTS:
            del self._failed_attempts[next(iter(self._failed_attempts))]


def _kept(headers: Iterable[tuple[str, str]]) -> _Headers:
    """Return the headers without credentials, within the bounds."""
    kept = [
        (name[:MAX_LOGGED_HEADER_CHARACTERS], _printable(value[:MAX_LOGGED_HEADER_CHARACTERS]))
        for name, value in headers
        if name.lower() not in _CREDENTIALS
    ]
    return tuple(kept[:MAX_LOGGED_HEADERS])


def _if_kept(text: str | None) -> str | None:
    return text if text is None or len(text) <= MAX_LOGGED_BODY_CHARACTERS else None


def _printable(text: str) -> str:
    """Replace bytes that are not UTF-8, which aiohttp returns as lone surrogates."""
    return text if text.isascii() else text.encode(errors="surrogateescape").decode(errors="replace")


def _size(record: LoggedRequest) -> int:
    texts = sys.getsizeof(record.path) + sys.getsizeof(record.body) + sys.getsizeof(record.response)
    return _RECORD_BYTES + texts + _headers_size(record.headers) + _headers_size(record.response_headers)


def _headers_size(headers: Sequence[tuple[str, str]]) -> int:
    return len(headers) * _HEADER_BYTES + sum([len(name) + len(value) for name, value in headers])
