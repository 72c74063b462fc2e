"""A memory with a bound: the newest things are kept, the oldest go first, and it is known how many went."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from typing import Final, Generic, TypeVar

Item = TypeVar("Item")

MOST_ITEMS: Final = 10_000
MOST_BYTES: Final = 32 * 2**20


class History(Generic[Item]):
    """The newest items, each under a number that counts up from 1.

    Args:
        most_items: how many are kept.
        most_bytes: how much they may hold together.
    """

    def __init__(self, most_items: int = MOST_ITEMS, most_bytes: int = MOST_BYTES) -> None:
        self._most_items = most_items
        self._most_bytes = most_bytes
        self._items: deque[tuple[int, int, Item]] = deque()
        self._bytes = 0
        self._last = 0

    def __iter__(self) -> Iterator[Item]:
        return (item for _, _, item in self._items)

    def __len__(self) -> int:
        return len(self._items)

    @property
    def total(self) -> int:
        """How many items there ever were."""
        return self._last

    def numbered(self) -> Iterator[tuple[int, Item]]:
        """The items kept, oldest first, with their numbers."""
        return ((number, item) for number, _, item in self._items)

    def add(self, item: Item, size: int, number: int | None = None) -> int:
        """Remember an item.

        Args:
            item: what to remember.
            size: its size in bytes.
            number: its number where it comes from storage; else the next one.

        Returns:
            Its number.
        """
        self._last = self._last + 1 if number is None else max(number, self._last)
        self._items.append((self._last, size, item))
        self._bytes += size
        while len(self._items) > self._most_items or (self._bytes > self._most_bytes and len(self._items) > 1):
            self._bytes -= self._items.popleft()[1]
        return self._last

    def clear(self) -> None:
        """Forget everything, the numbers too."""
        self._items.clear()
        self._bytes = self._last = 0

    @property
    def oldest(self) -> int:
        """The number of the oldest item kept; one more than `total` where none is."""
        return self._items[0][0] if self._items else self._last + 1
