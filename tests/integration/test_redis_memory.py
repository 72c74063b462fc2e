"""One memory of event ids for several processes, over a real Redis that is stopped and restarted."""

from __future__ import annotations

import logging
import math
import os
import time
from collections.abc import AsyncIterator
from typing import Any, Final

import anyio
import pytest
from ulid import ULID

from customerio_track_mcp.control.once import redis_memory
from customerio_track_mcp.control.once.memory import Claim
from customerio_track_mcp.control.once.redis_memory import RedisMemory, open_redis_memory
from customerio_track_mcp.redis_access import availability
from customerio_track_mcp.sandbox import RunningSandbox
from tests.support.http_service import call, message_in, running_service
from tests.support.once import EVENT
from tests.support.redis_server import REDIS_SERVER, RedisServer, redis_client, redis_server
from tests.support.scripted_server import ScriptedServer, reset
from tests.support.waiting import wait_until

pytestmark = pytest.mark.skipif(
    REDIS_SERVER is None and "REQUIRE_REDIS" not in os.environ, reason="redis-server is not installed"
)
LOST: Final = "resend memory lost: this process remembers its own events only"
BACK: Final = "resend memory is back: it is shared again"
A: Final = b"a" * 32
B: Final = b"b" * 32


@pytest.fixture
async def redis() -> AsyncIterator[RedisServer]:
    async with redis_server() as server:
        yield server


@pytest.fixture
async def memory(redis: RedisServer) -> AsyncIterator[RedisMemory]:
    async with open_redis_memory(redis.url, "workspace", 900, 30) as opened:
        yield opened


@pytest.fixture
async def other(redis: RedisServer) -> AsyncIterator[RedisMemory]:
    """The memory of another process."""
    async with open_redis_memory(redis.url, "workspace", 900, 30) as opened:
        yield opened


def new_id() -> str:
    return str(ULID())


def keys(redis: RedisServer) -> list[bytes]:
    with redis_client(redis) as client:
        return [key for key in client.scan_iter() if isinstance(key, bytes)]


def milliseconds_left(redis: RedisServer) -> int:
    """Return when the only key expires."""
    with redis_client(redis) as client:
        (key,) = client.keys("*")
        return int(client.pttl(key))


async def test_an_id_of_one_process_is_that_of_another(
    redis: RedisServer, memory: RedisMemory, other: RedisMemory
) -> None:
    first = new_id()
    assert await memory.claim(A, first) == Claim(first, is_reused=False, is_shared=True)
    assert 929_000 < milliseconds_left(redis) <= 930_000
    assert await other.claim(A, new_id()) == Claim(first, is_reused=True, is_shared=True)
    assert not (await other.claim(B, new_id())).is_reused


async def test_workspaces_do_not_share_ids(redis: RedisServer, memory: RedisMemory) -> None:
    await memory.claim(A, new_id())
    async with open_redis_memory(redis.url, "another workspace", 900, 30) as another:
        assert not (await another.claim(A, new_id())).is_reused


async def test_a_delivered_id_is_forgotten_everywhere(
    redis: RedisServer, memory: RedisMemory, other: RedisMemory
) -> None:
    first = new_id()
    await memory.claim(A, first)
    memory.forget(A, first)
    await wait_until(lambda: keys(redis) == [])
    assert not (await other.claim(A, new_id())).is_reused


async def test_a_claim_sees_what_this_process_has_not_yet_reported(memory: RedisMemory) -> None:
    for _ in range(20):
        event_id = new_id()
        assert await memory.claim(A, event_id) == Claim(event_id, is_reused=False, is_shared=True)
        memory.forget(A, event_id)


async def test_many_ids_are_forgotten(redis: RedisServer, memory: RedisMemory) -> None:
    claims = [(number.to_bytes(32, "big"), new_id()) for number in (n << 128 for n in range(250))]
    for fingerprint, event_id in claims:
        await memory.claim(fingerprint, event_id)
    assert len(keys(redis)) == 250
    for fingerprint, event_id in claims:
        memory.forget(fingerprint, event_id)
    await wait_until(lambda: keys(redis) == [])


async def test_an_undelivered_id_is_kept_for_the_window_from_then_on(redis: RedisServer, memory: RedisMemory) -> None:
    first = new_id()
    await memory.claim(A, first)
    memory.keep(A, first)
    await wait_until(lambda: milliseconds_left(redis) <= 900_000)


async def test_what_another_process_has_forgotten_is_not_kept(
    redis: RedisServer, memory: RedisMemory, other: RedisMemory
) -> None:
    """The result of the call that was sent again has been delivered: the next identical call is another event."""
    first = new_id()
    await memory.claim(A, first)
    await other.claim(A, new_id())
    other.forget(A, first)
    await wait_until(lambda: keys(redis) == [])
    memory.keep(A, first)
    memory.keep(B, new_id())
    await wait_until(lambda: not memory._kept)
    second = new_id()
    assert await memory.claim(A, second) == Claim(second, is_reused=False, is_shared=True)


async def test_only_the_id_that_was_delivered_is_forgotten(memory: RedisMemory, other: RedisMemory) -> None:
    first = new_id()
    await memory.claim(A, first)
    other.forget(A, new_id())
    await wait_until(lambda: not other._forgotten)
    assert (await other.claim(A, new_id())).event_id == first


async def test_an_id_that_another_process_has_is_not_forgotten_by_one_that_did_not_send_it(
    redis: RedisServer, memory: RedisMemory, other: RedisMemory
) -> None:
    """A host dispatches a call twice: one replica is canceled before it sends, and the other may have sent it."""
    unsent, shared = new_id(), new_id()
    await memory.claim(B, unsent)
    await memory.claim(A, shared)
    assert (await other.claim(A, new_id())).event_id == shared
    for fingerprint, event_id in ((A, shared), (B, unsent)):
        memory.forget(fingerprint, event_id, was_sent=False)
    await wait_until(lambda: len(keys(redis)) == 1)
    other.keep(A, shared)
    assert (await memory.claim(A, new_id())).event_id == shared
    assert not (await other.claim(B, new_id())).is_reused
    # One delivered result is enough.
    other.forget(A, shared)
    assert not (await other.claim(A, new_id())).is_reused


async def test_a_claim_sees_that_this_process_has_not_sent_an_id(memory: RedisMemory, other: RedisMemory) -> None:
    for _ in range(3):
        event_id = new_id()
        assert await memory.claim(A, event_id) == Claim(event_id, is_reused=False, is_shared=True)
        memory.forget(A, event_id, was_sent=False)
    event_id = new_id()
    await memory.claim(B, event_id)
    await other.claim(B, new_id())
    memory.forget(B, event_id, was_sent=False)
    assert (await memory.claim(B, new_id())).event_id == event_id


@pytest.mark.parametrize("value", [b"", b"x", b"x" * 26, b"01AN4Z07BY79KA1307SR9X4MV3\n", b"8" + b"Z" * 25])
async def test_what_is_not_an_id_is_replaced(redis: RedisServer, memory: RedisMemory, value: bytes) -> None:
    await memory.claim(A, new_id())
    with redis_client(redis) as client:
        (key,) = client.keys("*")
        client.set(key, value)
        event_id = new_id()
        assert await memory.claim(A, event_id) == Claim(event_id, is_reused=False, is_shared=True)
        assert client.get(key) == event_id.encode()
        client.delete(key)
        client.rpush(key, "a", "list")
        assert await memory.claim(A, event_id) == Claim(event_id, is_reused=False, is_shared=True)
        client.persist(key)
        await memory.claim(A, new_id())
        assert client.pttl(key) > 0


async def test_without_redis_the_process_remembers_and_its_ids_are_shared_afterwards(
    redis: RedisServer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(availability, "_RETRY_DELAY", 0.05)
    before, during, delivered = new_id(), new_id(), new_id()
    with caplog.at_level(logging.WARNING):
        async with (
            open_redis_memory(redis.url, "workspace", 900, 30) as memory,
            open_redis_memory(redis.url, "workspace", 900, 30) as other,
        ):
            await memory.claim(A, before)
            redis.kill()
            assert await memory.claim(A, new_id()) == Claim(before, is_reused=True)
            assert await memory.claim(B, during) == Claim(during, is_reused=False)
            assert await memory.claim(b"c" * 32, delivered) == Claim(delivered, is_reused=False)
            memory.forget(b"c" * 32, delivered)
            await redis.start()  # empty
            await anyio.sleep(0.06)
            assert await memory.claim(B, new_id()) == Claim(during, is_reused=True, is_shared=True)
            assert await other.claim(B, new_id()) == Claim(during, is_reused=True, is_shared=True)
            assert not (await memory.claim(b"c" * 32, new_id())).is_reused
    assert [record.getMessage() for record in caplog.records] == [LOST, BACK]
    assert str(redis.port) not in caplog.text


async def test_what_was_delivered_without_redis_is_forgotten_when_it_is_back(
    redis: RedisServer, memory: RedisMemory, other: RedisMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(availability, "_RETRY_DELAY", 0.05)
    first = new_id()
    await memory.claim(A, first)
    redis.freeze()
    try:
        with anyio.fail_after(20):
            await memory.claim(B, new_id())
        memory.forget(A, first)
        assert (await memory.claim(A, first)).is_shared is False
        memory.forget(A, first)
    finally:
        redis.thaw()
    await wait_until(lambda: not memory._forgotten)
    assert not (await other.claim(A, new_id())).is_reused


@pytest.mark.parametrize("claims_again", [True, False])
async def test_an_id_from_a_time_without_redis_replaces_one_that_was_delivered(
    redis: RedisServer, memory: RedisMemory, other: RedisMemory, monkeypatch: pytest.MonkeyPatch, claims_again: bool
) -> None:
    """Redis still contains the id of the first purchase when it is back, and the second one's outcome is unknown."""
    monkeypatch.setattr(availability, "_RETRY_DELAY", 0.05)
    first, second = new_id(), new_id()
    await memory.claim(A, first)
    redis.freeze()
    try:
        with anyio.fail_after(20):
            await memory.claim(B, new_id())
        memory.forget(A, first)
        assert await memory.claim(A, second) == Claim(second, is_reused=False)
        memory.keep(A, second)
    finally:
        redis.thaw()
    if claims_again:
        await anyio.sleep(0.06)
        assert (await memory.claim(A, new_id())).event_id == second
    await wait_until(lambda: not (memory._unshared or memory._forgotten or memory._kept))
    assert await other.claim(A, new_id()) == Claim(second, is_reused=True, is_shared=True)
    assert await memory.claim(A, new_id()) == Claim(second, is_reused=True, is_shared=True)


async def test_what_was_claimed_without_redis_does_not_return_after_it_was_delivered(
    memory: RedisMemory, other: RedisMemory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process, which had Redis, has sent the same event with another id meanwhile."""
    monkeypatch.setattr(availability, "_RETRY_DELAY", math.inf)
    ours, theirs = new_id(), new_id()
    memory._redis.lost(OSError())
    await memory.claim(A, ours)
    await other.claim(A, theirs)
    memory._redis._ask_again_at = 0
    assert await memory.claim(A, new_id()) == Claim(theirs, is_reused=True, is_shared=True)
    memory.forget(A, theirs)
    await wait_until(lambda: not (memory._unshared or memory._forgotten))
    assert not (await other.claim(A, new_id())).is_reused


@pytest.mark.parametrize("stored", [True, False])
async def test_a_process_that_is_too_late_for_the_response_does_not_lose_redis(
    memory: RedisMemory,
    other: RedisMemory,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    stored: bool,
) -> None:
    monkeypatch.setattr(redis_memory, "RESPONSE_TIMEOUT", 0.1)
    monkeypatch.setattr(redis_memory, "TIMEOUT", 0.1)
    evaluate, tries = memory._client.eval, 0

    async def evaluate_late(*arguments: Any) -> object:
        nonlocal tries
        tries += 1
        if tries == 1 and not stored:
            time.sleep(0.2)  # noqa: ASYNC251 - that is what it tests
            await anyio.sleep(1)
        response = await evaluate(*arguments)
        if tries == 1:
            time.sleep(0.2)  # noqa: ASYNC251
            await anyio.sleep(1)
        return response

    monkeypatch.setattr(memory._client, "eval", evaluate_late)
    event_id = new_id()
    assert await memory.claim(A, event_id) == Claim(event_id, is_reused=False, is_shared=True)
    assert tries == 2
    assert (await other.claim(A, new_id())).event_id == event_id
    assert caplog.records == []


async def test_what_is_delivered_at_the_end_is_forgotten(redis: RedisServer) -> None:
    async with open_redis_memory(redis.url, "workspace", 900, 30) as memory:
        first = new_id()
        await memory.claim(A, first)
        memory.forget(A, first)
    assert keys(redis) == []
    memory.forget(A, first)  # a delivery that ends later


async def test_replicas_send_the_same_event_id(redis: RedisServer, scripted: ScriptedServer) -> None:
    settings = {"rate_limit_storage": redis.url, "max_attempts": 1}
    request = call(**EVENT)
    async with (
        running_service(scripted.url, settings) as one,
        running_service(scripted.url, settings) as two,
    ):
        scripted.acts = [reset]
        first = message_in(await one.post("/mcp", json=request))["result"]
        assert "within 15 minutes is safe" in first["structuredContent"]["error"]
        second = message_in(await two.post("/mcp", json=request))["result"]
        assert second["_meta"]["customerio-track-mcp/reused"] is True
        assert len({request.json["id"] for request in scripted.requests}) == 1
        await wait_until(lambda: [key for key in keys(redis) if b":event:" in key] == [])
        third = message_in(await one.post("/mcp", json=request))["result"]
    assert "customerio-track-mcp/reused" not in third["_meta"]
    assert len({request.json["id"] for request in scripted.requests}) == 2


async def test_a_dry_run_does_not_use_redis(redis: RedisServer, sandbox: RunningSandbox) -> None:
    settings = {"rate_limit_storage": redis.url, "dry_run": True}
    async with running_service(sandbox.url, settings) as http:
        await http.post("/mcp", json=call())
    assert [key for key in keys(redis) if b":event:" in key] == []


async def test_the_response_to_a_canceled_claim_is_not_that_of_the_next(
    redis: RedisServer, memory: RedisMemory, other: RedisMemory
) -> None:
    first = new_id()
    await other.claim(A, first)
    await memory.claim(B, new_id())
    redis.freeze()
    try:
        with anyio.move_on_after(0.05) as scope:
            await memory.claim(A, new_id())
        assert scope.cancelled_caught
    finally:
        redis.thaw()
    event_id = new_id()
    assert await memory.claim(b"c" * 32, event_id) == Claim(event_id, is_reused=False, is_shared=True)
