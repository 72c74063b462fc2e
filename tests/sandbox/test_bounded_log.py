"""The log that keeps the newest items."""

from __future__ import annotations

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
