"""Changes published to subscribers."""

from __future__ import annotations

from customerio_track_mcp.sandbox.broadcast import Broadcaster


async def test_slow_subscriber_is_disconnected() -> None:
    broadcaster = Broadcaster()
    with broadcaster.subscribe() as slow, broadcaster.subscribe() as fast:
        received = aiter(fast)
        for _ in range(20):
            broadcaster.publish("change", {"padding": "x" * 2**20})
            assert (await anext(received))[0] == "change"
        queued = [name async for name, _ in slow]
    assert 8 <= len(queued) < 12
