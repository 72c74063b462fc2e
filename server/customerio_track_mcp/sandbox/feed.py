"""Who watches the sandbox, and what they are told."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

_MOST_WAITING: Final = 2000
"""A watcher who is further behind is let go, and comes back to the state as it then is."""

Message = tuple[str, str]
"""A message's name and its data as JSON."""


class Feed:
    """Hands each message to everybody who watches. Nobody who is slow holds up anybody."""

    def __init__(self) -> None:
        self._watchers: set[asyncio.Queue[Message | None]] = set()

    def tell(self, name: str, data: Mapping[str, object]) -> None:
        """Tell everybody."""
        if not self._watchers:
            return
        message = (name, json.dumps(data))
        for queue in list(self._watchers):
            if queue.qsize() >= _MOST_WAITING:
                self._let_go(queue)
            else:
                queue.put_nowait(message)

    def close(self) -> None:
        """Let everybody go."""
        for queue in list(self._watchers):
            self._let_go(queue)

    @contextmanager
    def watch(self) -> Iterator[asyncio.Queue[Message | None]]:
        """The messages from now on; None ends them."""
        queue: asyncio.Queue[Message | None] = asyncio.Queue()
        self._watchers.add(queue)
        try:
            yield queue
        finally:
            self._watchers.discard(queue)

    def _let_go(self, queue: asyncio.Queue[Message | None]) -> None:
        self._watchers.discard(queue)
        queue.put_nowait(None)
