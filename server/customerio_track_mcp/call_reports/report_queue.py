"""Reports that wait for the sandbox."""

from __future__ import annotations

import asyncio
from collections import deque
from contextlib import suppress
from typing import Final

MAX_QUEUED_BYTES: Final = 2**23


class ReportQueue:
    """A queue of limited size. The oldest reports are dropped for newer ones, which somebody may be waiting to see.

    Attributes:
        dropped: how many were dropped.
    """

    def __init__(self) -> None:
        self._reports: deque[bytes] = deque()
        self._bytes = 0
        self._changed = asyncio.Event()
        self._closed = asyncio.Event()
        self.dropped = 0

    def add(self, report: bytes) -> None:
        """Add a report. It neither waits nor fails."""
        self._reports.append(report)
        self._bytes += len(report)
        while self._bytes > MAX_QUEUED_BYTES:
            self._bytes -= len(self._reports.popleft())
            self.dropped += 1
        self._changed.set()

    def close(self) -> None:
        """Let `next` return None at the end of the queue."""
        self._closed.set()
        self._changed.set()

    @property
    def is_closed(self) -> bool:
        """Whether no report will be added."""
        return self._closed.is_set()

    async def wait_for_close(self, seconds: float) -> None:
        """Wait until the queue is closed, for at most this long."""
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._closed.wait()

    async def next(self) -> bytes | None:
        """Remove and return the oldest report, as soon as there is one; None if there will be none."""
        while not self._reports:
            if self.is_closed:
                return None
            self._changed.clear()
            await self._changed.wait()
        report = self._reports.popleft()
        self._bytes -= len(report)
        return report

    def __len__(self) -> int:
        return len(self._reports)

    def put_back(self, report: bytes) -> None:
        """Make a report that was removed the oldest again, unless newer ones have taken its place."""
        if self._bytes + len(report) > MAX_QUEUED_BYTES:
            self.dropped += 1
            return
        self._reports.appendleft(report)
        self._bytes += len(report)
