"""Publish the sandbox's changes to every open page."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

_MAX_QUEUED_BYTES: Final = 8 * 2**20
"""A subscriber further behind is disconnected. The page reconnects and receives the current state."""

Message = tuple[str, str]
"""A message's name, and its data as JSON."""


class Subscriber:
    """One subscriber's queue of unread messages."""

    def __init__(self) -> None:
        self._queue: asyncio.Queue[Message | None] = asyncio.Queue()
        self._queued_bytes = 0

    async def __aiter__(self) -> AsyncIterator[Message]:
        while (message := await self._queue.get()) is not None:
            self._queued_bytes -= len(message[1])
            yield message

    def offer(self, message: Message) -> bool:
        """Queue a message; return False if the queue is full."""
        if self._queued_bytes > _MAX_QUEUED_BYTES:
            return False
        self._queued_bytes += len(message[1])
        self._queue.put_nowait(message)
        return True

    def close(self) -> None:
        """End the iteration after the messages that are queued."""
        self._queue.put_nowait(None)


class Broadcaster:
    """Publishes each message to every subscriber. A slow subscriber does not delay the others."""

    def __init__(self) -> None:
        self._subscribers: set[Subscriber] = set()

    def publish(self, name: str, data: Mapping[str, object]) -> None:
        """Queue a message for every subscriber."""
        if not self._subscribers:
            return
        message = (name, json.dumps(data))
        for subscriber in list(self._subscribers):
            if not subscriber.offer(message):
                self._disconnect(subscriber)

    def close(self) -> None:
        """Disconnect every subscriber."""
        for subscriber in list(self._subscribers):
            self._disconnect(subscriber)

    @contextmanager
    def subscribe(self) -> Iterator[Subscriber]:
        """Subscribe to the messages published from now on, until the block ends."""
        subscriber = Subscriber()
        self._subscribers.add(subscriber)
        try:
            yield subscriber
        finally:
            self._subscribers.discard(subscriber)

    def _disconnect(self, subscriber: Subscriber) -> None:
        self._subscribers.discard(subscriber)
        subscriber.close()
