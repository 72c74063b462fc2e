"""A log of limited size: the newest items are kept, and the oldest are removed first."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Generic, TypeVar

from customerio_track_mcp.sandbox.bounds import MAX_BYTES, MAX_ITEMS

Item = TypeVar("Item")


class BoundedLog(Generic[Item]):
    """The newest items, numbered from 1 in the order in which they were added.

    Args:
        max_items: maximum number of items.
        max_bytes: maximum size of all items together. The newest item is kept even if it is larger.
    """

    def __init__(self, max_items: int = MAX_ITEMS, max_bytes: int = MAX_BYTES) -> None:
        self._max_items = max_items
        self._max_bytes = max_bytes
        self._items: deque[tuple[int, int, Item]] = deque()
        self._bytes = 0
        self._last_number = 0

    def __iter__(self) -> Iterator[Item]:
        return (item for _, _, item in self._items)

    def __len__(self) -> int:
        return len(self._items)

    @property
    def total(self) -> int:
        """The number of items ever added, including removed ones."""
        return self._last_number

    @property
    def oldest(self) -> int:
        """The number of the oldest item; `total + 1` if the log is empty."""
        return self._items[0][0] if self._items else self._last_number + 1

    def numbered(self) -> Iterator[tuple[int, Item]]:
        """Return the items with their numbers, oldest first. Later additions do not change what is yielded."""
        return ((number, item) for number, _, item in list(self._items))

    def add(self, item: Item, size: int, number: int | None = None) -> int:
        """Add an item, and remove the oldest ones beyond the maximum.

        Args:
            item: the item.
            size: its size in memory, in bytes.
            number: its number if it is restored from storage; None for the next number.

        Returns:
            The item's number.
        """
        self._last_number = self._last_number + 1 if number is None else max(number, self._last_number)
        self._items.append((self._last_number, size, item))
        self._bytes += size
        while len(self._items) > self._max_items or (self._bytes > self._max_bytes and len(self._items) > 1):
            self._bytes -= self._items.popleft()[1]
        return self._last_number

    def clear(self) -> None:
        """Remove every item, and number from 1 again."""
        self._items.clear()
        self._bytes = self._last_number = 0
