"""Changes published to subscribers."""

from __future__ import annotations

import pytest

from customerio_track_mcp.sandbox.broadcast import Broadcaster, TooManySubscribersError


async def test_slow_subscriber_is_disconnected() -> None:
    broadcaster = Broadcaster()
    disconnected: list[bool] = []
    with broadcaster.subscribe(lambda: disconnected.append(True)) as slow, broadcaster.subscribe() as fast:
        slow.start()
        fast.start()
        received = aiter(fast)
        for _ in range(20):
            broadcaster.publish("change", {"padding": "x" * 2**20})
            assert (await anext(received))[0] == "change"
        assert disconnected == [True]
        # What it has not read is not kept until its connection ends.
        assert [name async for name, _ in slow] == []


async def test_messages_before_the_start_are_skipped() -> None:
    broadcaster = Broadcaster()
    with broadcaster.subscribe() as subscriber:
        for _ in range(20):
            broadcaster.publish("change", {"padding": "x" * 2**20})  # more than a queue may contain
        subscriber.start()
        broadcaster.publish("change", {"number": 21})
        broadcaster.close()
        assert [data async for _, data in subscriber] == ['{"number": 21}']


def test_subscribers_over_the_maximum_are_refused_until_one_leaves() -> None:
    broadcaster = Broadcaster(max_subscribers=2)
    with broadcaster.subscribe():
        with broadcaster.subscribe(), pytest.raises(TooManySubscribersError), broadcaster.subscribe():
            pass
        with broadcaster.subscribe(is_connected=lambda: False):
            with broadcaster.subscribe():
                pass
            with broadcaster.subscribe():
                pass
