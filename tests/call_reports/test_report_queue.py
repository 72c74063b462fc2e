"""What waits for the sandbox is limited."""

from __future__ import annotations

from customerio_track_mcp.call_reports.report_queue import MAX_QUEUED_BYTES, ReportQueue

QUARTER = MAX_QUEUED_BYTES // 4


def report(name: str) -> bytes:
    return name.encode() * QUARTER


async def names_in(queue: ReportQueue) -> str:
    queue.close()
    names = ""
    while (item := await queue.next()) is not None:
        names += item[:1].decode()
    return names


async def test_reports_come_in_order() -> None:
    queue = ReportQueue()
    for name in "abcd":
        queue.add(report(name))
    assert (await names_in(queue), queue.dropped) == ("abcd", 0)


async def test_the_oldest_reports_are_dropped_and_counted() -> None:
    queue = ReportQueue()
    for name in "abcdef":
        queue.add(report(name))
    assert (queue.dropped, len(queue)) == (2, 4)
    assert await names_in(queue) == "cdef"


async def test_a_report_that_is_put_back_is_the_next_one() -> None:
    queue = ReportQueue()
    for name in "ab":
        queue.add(report(name))
    first = await queue.next()
    assert first is not None
    queue.put_back(first)
    assert await names_in(queue) == "ab"


async def test_a_report_that_is_put_back_takes_no_place_of_newer_ones() -> None:
    queue = ReportQueue()
    queue.add(report("a"))
    first = await queue.next()
    assert first is not None
    for name in "bcde":
        queue.add(report(name))
    queue.put_back(first)
    assert (queue.dropped, await names_in(queue)) == (1, "bcde")
