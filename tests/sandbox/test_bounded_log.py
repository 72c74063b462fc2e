"""The log that keeps the newest items."""

from __future__ import annotations

import pytest

from customerio_track_mcp.sandbox.bounded_log import BoundedLog


def test_newest_items_within_both_limits_are_kept() -> None:
    log: BoundedLog[str] = BoundedLog(max_items=3, max_bytes=10)
    assert [log.add(text, len(text)) for text in ("a", "b", "c", "d")] == [1, 2, 3, 4]
    assert (list(log.numbered()), log.oldest, log.total) == ([(2, "b"), (3, "c"), (4, "d")], 2, 4)
    log.add("x" * 9, 9)
    assert list(log) == ["d", "x" * 9]
    log.add("y" * 50, 50)
    assert list(log) == ["y" * 50]
    log.clear()
    assert (len(log), log.oldest, log.total) == (0, 1, 0)


def test_replaced_item_keeps_its_number_and_its_place() -> None:
    log: BoundedLog[str] = BoundedLog(max_items=3, max_bytes=10)
    for text in ("a", "b", "c"):
        log.add(text, len(text))
    assert log.replace(2, "B" * 5, 5)
    assert list(log.numbered()) == [(1, "a"), (2, "B" * 5), (3, "c")]
    assert log.replace(2, "B" * 9, 9)
    assert (list(log.numbered()), log.oldest) == ([(2, "B" * 9), (3, "c")], 2)
    log.add("d", 1)
    assert list(log.numbered()) == [(3, "c"), (4, "d")]


def test_replacement_of_a_removed_item_is_ignored() -> None:
    log: BoundedLog[str] = BoundedLog(max_items=2, max_bytes=10)
    for text in ("a", "b", "c"):
        log.add(text, 1)
    assert not log.replace(1, "A", 1)
    assert not log.replace(4, "D", 1)
    assert log.replace(2, "B" * 11, 11)  # it removes itself, as the oldest
    assert list(log.numbered()) == [(3, "c")]


def test_restored_numbers_must_increase() -> None:
    log: BoundedLog[str] = BoundedLog()
    log.add("a", 1, number=7)
    with pytest.raises(ValueError, match="not greater"):
        log.add("b", 1, number=7)
    assert (log.add("c", 1), list(log)) == (8, ["a", "c"])


def test_item_is_returned_by_its_number_while_it_is_kept() -> None:
    log: BoundedLog[str] = BoundedLog(max_items=2)
    for text in ("a", "b", "c"):
        log.add(text, 1)
    assert [log.get(number) for number in range(5)] == [None, None, "b", "c", None]
