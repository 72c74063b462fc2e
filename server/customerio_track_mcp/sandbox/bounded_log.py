"""A log of limited size: the newest items are kept, and the oldest are removed first."""

from __future__ import annotations

from collections import OrderedDict
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
        # A dict would look for its first item behind the place of every removed one.
        self._items: OrderedDict[int, tuple[int, Item]] = OrderedDict()
        self._bytes = 0
        self._last_number = 0

    def __iter__(self) -> Iterator[Item]:
        return (item for _, item in self._items.values())

    def __len__(self) -> int:
        return len(self._items)

    @property
    def total(self) -> int:
        """The number of items ever added, including removed ones."""
        return self._last_number

    @property
    def oldest(self) -> int:
        """The number of the oldest item; `total + 1` if the log is empty."""
        return next(iter(self._items), self._last_number + 1)

    def numbered(self) -> Iterator[tuple[int, Item]]:
        """Return the items with their numbers, oldest first. Later changes do not change what is yielded."""
        return ((number, item) for number, (_, item) in list(self._items.items()))

    def get(self, number: int) -> Item | None:
        """Return the item with this number; None if it is not kept."""
        _, item = self._items.get(number, (0, None))
        return item

    def add(self, item: Item, size: int, number: int | None = None) -> int:
        """Add an item, and remove the oldest ones beyond the maximum.

        Args:
            item: the item.
            size: its size in memory, in bytes.
            number: its number if it is restored from storage; None for the next number.

        Returns:
            The item's number.

        Raises:
            ValueError: `number` is not greater than that of every earlier item.
        """
        if number is None:
            number = self._last_number + 1
        elif number <= self._last_number:
            raise ValueError("the number is not greater than the one before it")
        self._last_number = number
        self._items[number] = (size, item)
        self._bytes += size
        self._remove_oldest()
        return number

    def replace(self, number: int, item: Item, size: int) -> bool:
        """Replace the item with this number, which keeps its place.

        Returns:
            Whether the log contained the item; False if its number was removed already. If it is now too large, it has
            removed itself and the older ones.
        """
        if number not in self._items:
            return False
        self._bytes += size - self._items[number][0]
        self._items[number] = (size, item)
        self._remove_oldest()
        return True

    def clear(self) -> None:
        """Remove every item, and number from 1 again."""
        self._items.clear()
        self._bytes = self._last_number = 0

    def _remove_oldest(self) -> None:
        while len(self._items) > self._max_items or (self._bytes > self._max_bytes and len(self._items) > 1):
            self._bytes -= self._items.popitem(last=False)[1][0]
