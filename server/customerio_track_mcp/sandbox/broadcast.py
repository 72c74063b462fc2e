"""Publish the sandbox's changes to every open page."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager

from customerio_track_mcp.sandbox.bounds import MAX_QUEUED_BYTES, MAX_WATCHERS

Message = tuple[str, str]
"""A message's name, and its data as JSON."""


class TooManySubscribersError(Exception):
    """There are as many subscribers as there may be."""


class Subscriber:
    """One subscriber's queue of unread messages; see `Broadcaster.subscribe` for the arguments.

    Attributes:
        is_connected: returns whether it still receives.
    """

    def __init__(self, on_overflow: Callable[[], None], is_connected: Callable[[], bool]) -> None:
        self.is_connected = is_connected
        self._queue: asyncio.Queue[Message | None] = asyncio.Queue()
        self._queued_bytes = 0
        self._has_started = False
        self._on_overflow = on_overflow

    def start(self) -> None:
        """Receive what is published from now on. Until then, every message is skipped."""
        self._has_started = True

    async def __aiter__(self) -> AsyncIterator[Message]:
        while (message := await self._queue.get()) is not None:
            self._queued_bytes -= len(message[1])
            yield message

    def offer(self, message: Message) -> bool:
        """Queue a message if the subscriber has started; return False if the queue is full."""
        if not self._has_started:
            return True
        if self._queued_bytes > MAX_QUEUED_BYTES:
            return False
        self._queued_bytes += len(message[1])
        self._queue.put_nowait(message)
        return True

    def overflow(self) -> None:
        """Discard the messages that are queued, and end the iteration."""
        while not self._queue.empty():
            self._queue.get_nowait()
        self.close()
        self._on_overflow()

    def close(self) -> None:
        """End the iteration after the messages that are queued."""
        self._queue.put_nowait(None)


class Broadcaster:
    """Publishes each message to every subscriber. A slow subscriber does not delay the others.

    The queues share their messages, so that all of them together are about as large as the longest.

    Args:
        max_subscribers: maximum number of subscribers.
    """

    def __init__(self, max_subscribers: int = MAX_WATCHERS) -> None:
        self._max_subscribers = max_subscribers
        self._subscribers: set[Subscriber] = set()

    @property
    def has_subscribers(self) -> bool:
        """Whether anybody receives what is published now."""
        return bool(self._subscribers)

    def publish(self, name: str, data: Mapping[str, object]) -> None:
        """Queue a message for every subscriber."""
        if not self.has_subscribers:
            return
        message = (name, json.dumps(data))
        for subscriber in list(self._subscribers):
            if not subscriber.offer(message):
                self._subscribers.discard(subscriber)
                subscriber.overflow()

    def close(self) -> None:
        """Disconnect every subscriber. A page that is disconnected reconnects, and gets the current state."""
        self._disconnect(list(self._subscribers))

    @contextmanager
    def subscribe(
        self, on_overflow: Callable[[], None] = lambda: None, is_connected: Callable[[], bool] = lambda: True
    ) -> Iterator[Subscriber]:
        """Subscribe until the block ends; the messages are those that are published after `Subscriber.start`.

        Args:
            on_overflow: called when the subscriber is disconnected because it is too far behind.
            is_connected: returns whether it still receives. One that has left gives its place to the next.

        Raises:
            TooManySubscribersError: there are as many subscribers as there may be.
        """
        self._disconnect([subscriber for subscriber in self._subscribers if not subscriber.is_connected()])
        if len(self._subscribers) >= self._max_subscribers:
            raise TooManySubscribersError
        subscriber = Subscriber(on_overflow, is_connected)
        self._subscribers.add(subscriber)
        try:
            yield subscriber
        finally:
            self._subscribers.discard(subscriber)

    def _disconnect(self, subscribers: list[Subscriber]) -> None:
        for subscriber in subscribers:
            self._subscribers.discard(subscriber)
            subscriber.close()
