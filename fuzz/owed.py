"""Which message a response belongs to, over a connection on which many are in flight.

A response to something that is not a valid request has the id null, or the request's own id if it is usable.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from itertools import chain
from typing import Final

from fuzz.messages import Message
from fuzz.server import RESPONSE_TIMEOUT

_MAX_OPTIONAL: Final = 64


class OwedResponses:
    """The messages that are owed a response.

    Args:
        timeout: after how many seconds a response is late.
    """

    def __init__(self, timeout: float = RESPONSE_TIMEOUT) -> None:
        self._timeout = timeout
        self._by_id: dict[int | str, Message] = {}
        # Owed null for certain, null or their own id, null or nothing; oldest first, by number.
        self._null: tuple[dict[int, Message], ...] = ({}, {}, {})
        self._sent_at: dict[int, float] = {}
        self._answered_with_null: dict[int | str, Message] = {}

    def __len__(self) -> int:
        """Return how many messages must still be answered."""
        return len(self._sent_at)

    def __iter__(self) -> Iterator[Message]:
        """Yield the messages that must still be answered."""
        return chain(self._by_id.values(), self._null[0].values())

    def add(self, message: Message) -> None:
        """Add a message that is sent now, unless it is owed nothing."""
        own = [owed for owed in message.ids if owed is not None]
        for owed in own:
            self._by_id[owed] = message
        if None in message.ids:
            self._null[2 if message.is_optional else 1 if own else 0][message.number] = message
        optional = self._null[2]
        if len(optional) > _MAX_OPTIONAL:
            del optional[next(iter(optional))]
        if message.ids and not message.is_optional:
            self._sent_at[message.number] = time.monotonic()

    def take(self, request_id: int | str | None) -> Message | None:
        """Remove the message to which a response with this id belongs, and return it; None if there is none."""
        if request_id is None:
            message = next((next(iter(group.values())) for group in self._null if group), None)
            if message is not None:
                self._remove(message)
                self._answered_with_null |= {owed: message for owed in message.ids if owed is not None}
            return message
        if (message := self._answered_with_null.pop(request_id, None)) is not None:
            # So the earlier response with null belonged to another message.
            return message if self.take(None) is not None else None
        if (message := self._by_id.get(request_id)) is not None:
            self._remove(message)
        return message

    def give_up_late(self) -> list[Message]:
        """Remove the messages that were not answered in time, and return them."""
        deadline = time.monotonic() - self._timeout
        late = [message for message in self if self._sent_at[message.number] < deadline]
        for message in late:
            self._remove(message)
        return late

    def _remove(self, message: Message) -> None:
        for owed in message.ids:
            if owed is not None:
                del self._by_id[owed]
        for group in self._null:
            group.pop(message.number, None)
        self._sent_at.pop(message.number, None)
