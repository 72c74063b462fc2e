"""Who watches the sandbox, and what they are told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

_MOST_WAITING_BYTES: Final = 8 * 2**20
"""A watcher who is further behind is let go, and comes back to the state as it then is."""

Message = tuple[str, str]
"""A message's name and its data as JSON."""


class Watcher:
    """One who watches: the messages wait here until they are read."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[Message | None] = asyncio.Queue()
        self._bytes = 0

    async def __aiter__(self) -> AsyncIterator[Message]:
        while (message := await self._queue.get()) is not None:
            self._bytes -= len(message[1])
            yield message

    def offer(self, message: Message) -> bool:
        """Take a message; False where too much waits already."""
        if self._bytes > _MOST_WAITING_BYTES:
            return False
        self._bytes += len(message[1])
        self._queue.put_nowait(message)
        return True

    def end(self) -> None:
        """Let there be no message after those that wait."""
        self._queue.put_nowait(None)


class Feed:
    """Hands each message to everybody who watches. Nobody who is slow holds up anybody."""

    def __init__(self) -> None:
        self._watchers: set[Watcher] = set()

    def tell(self, name: str, data: Mapping[str, object]) -> None:
        """Tell everybody."""
        if not self._watchers:
            return
        message = (name, json.dumps(data))
        for watcher in list(self._watchers):
            if not watcher.offer(message):
                self._let_go(watcher)

    def close(self) -> None:
        """Let everybody go."""
        for watcher in list(self._watchers):
            self._let_go(watcher)

    @contextmanager
    def watch(self) -> Iterator[Watcher]:
        """The messages from now on."""
        watcher = Watcher()
        self._watchers.add(watcher)
        try:
            yield watcher
        finally:
            self._watchers.discard(watcher)

    def _let_go(self, watcher: Watcher) -> None:
        self._watchers.discard(watcher)
        watcher.end()
