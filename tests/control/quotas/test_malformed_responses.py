"""A Redis that does not respond as one is the same as one that is lost."""

from __future__ import annotations

from contextlib import aclosing

import pytest

from customerio_track_mcp.control.quotas.base import Permit, Shortage, Unit
from customerio_track_mcp.control.quotas.local import LocalCounters
from customerio_track_mcp.control.quotas.redis_counters import RedisCounters
from tests.support.scripted_redis import scripted_redis
from tests.track.rate_limit.test_malformed_responses import RESPONSES, handshake

LOST = "quota storage lost: this process keeps to its share"
NUMBERS = [
    b"*3\r\n:1\r\n:0\r\n:1\r\n",
    b"*4\r\n:2\r\n:0\r\n:1\r\n:0\r\n",
    b"*4\r\n:1\r\n:-1\r\n:1\r\n:0\r\n",
    b"*4\r\n:0\r\n:1\r\n:1\r\n:" + b"9" * 4000 + b"\r\n",
    b"*4\r\n:1\r\n:0\r\n$1\r\nx\r\n:0\r\n",
]


@pytest.mark.parametrize("response", [*RESPONSES, *NUMBERS], ids=lambda response: repr(response)[:40])
async def test_malformed_response_is_an_outage(response: bytes | None, caplog: pytest.LogCaptureFixture) -> None:
    async with scripted_redis(lambda name: response if name == "EVAL" else handshake(name)) as redis:
        counters = RedisCounters(redis.url, "key", {Unit.EVENTS: 100}, LocalCounters({Unit.EVENTS: 2}))
        async with aclosing(counters):
            decisions = [await counters.take(Unit.EVENTS, 1) for _ in range(3)]
        assert "EVAL" in redis.commands
    assert [type(decision) for decision in decisions] == [Permit, Permit, Shortage]
    assert decisions[2] == Shortage(2, 2, decisions[2].seconds, is_share=True, is_redis_lost=True)  # type: ignore[union-attr]
    assert [record.getMessage() for record in caplog.records] == [LOST]
    assert caplog.records[0].exc_info is None


async def test_each_call_is_one_round_trip() -> None:
    responses = {"EVAL": b"*4\r\n:1\r\n:0\r\n:1\r\n:0\r\n"}
    async with scripted_redis(lambda name: responses.get(name, handshake(name))) as redis:
        counters = RedisCounters(redis.url, "key", {Unit.EVENTS: 100}, LocalCounters({Unit.EVENTS: 50}))
        async with aclosing(counters):
            await counters.take(Unit.EVENTS, 1)
            redis.commands.clear()
            for _ in range(5):
                assert isinstance(await counters.take(Unit.EVENTS, 1), Permit)
        assert redis.commands == ["EVAL"] * 5
