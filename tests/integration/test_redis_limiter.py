"""One rate limit for several processes, over a real Redis that is stopped, frozen and restarted."""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager

import anyio
import pytest
from anyio.abc import SocketAttribute, SocketStream
from redis import Redis

from customerio_track_mcp.track import LocalRateLimiter
from customerio_track_mcp.track.rate_limit.redis_limiter import RedisRateLimiter
from tests.support.redis_server import REDIS_SERVER, RedisServer, redis_client, redis_server
from tests.support.waiting import wait_until

pytestmark = pytest.mark.skipif(
    REDIS_SERVER is None and "REQUIRE_REDIS" not in os.environ, reason="redis-server is not installed"
)
LOST = "rate budget storage lost: this process keeps to its share"
BACK = "rate budget storage is back: the budget is shared again"


@pytest.fixture
async def redis() -> AsyncIterator[RedisServer]:
    async with redis_server() as server:
        yield server


@asynccontextmanager
async def limiters(url: str, number: int, rate: float, share: float) -> AsyncIterator[list[RedisRateLimiter]]:
    """Yield the limiters of `number` processes, each with its own connections."""
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(aclosing(RedisRateLimiter(url, "key", rate, LocalRateLimiter(share))))
            for _ in range(number)
        ]


async def seconds_to_acquire(number: int, *shared: RedisRateLimiter) -> float:
    """Return how long it takes to acquire `number` permits from each limiter, all of them concurrently."""

    async def acquire(limiter: RedisRateLimiter) -> None:
        await limiter.acquire()

    started = anyio.current_time()
    async with anyio.create_task_group() as tasks:
        for limiter in shared:
            for _ in range(number):
                tasks.start_soon(acquire, limiter)
    return anyio.current_time() - started


async def test_processes_share_one_limit(redis: RedisServer) -> None:
    """Only a lower bound is checked: however slow the machine is, it must not be faster than the limit allows."""
    async with limiters(redis.url, 3, rate=50, share=1000) as three:
        # 150 requests at 50 per second, the first 50 at once. Three separate limits would allow all of them at once.
        assert await seconds_to_acquire(50, *three) >= 1.5


async def test_permits_are_granted_in_order(redis: RedisServer) -> None:
    order: list[int] = []

    async def acquire(limiter: RedisRateLimiter, number: int) -> None:
        await limiter.acquire()
        order.append(number)

    async with limiters(redis.url, 1, rate=20, share=1) as (limiter,), anyio.create_task_group() as tasks:
        for number in range(30):
            tasks.start_soon(acquire, limiter, number)
            await anyio.lowlevel.checkpoint()
    assert order == list(range(30))


async def test_canceled_wait_does_not_block_the_next(redis: RedisServer) -> None:
    async with limiters(redis.url, 1, rate=1, share=1) as (limiter,):
        await limiter.acquire()
        with anyio.move_on_after(0.05) as scope:
            await limiter.acquire()
        assert scope.cancelled_caught
        with anyio.fail_after(20):
            await limiter.acquire()


async def test_process_keeps_to_its_share_without_redis_and_logs_it_once(
    redis: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    shared: list[bool] = []
    limiter = RedisRateLimiter(redis.url, "key", 1000, LocalRateLimiter(20), shared.append)
    with caplog.at_level(logging.WARNING):
        async with aclosing(limiter):
            await limiter.acquire()
            redis.kill()
            # 22 at 20 per second, the first 2 at once.
            assert await seconds_to_acquire(22, limiter) >= 0.9
            assert [record.getMessage() for record in caplog.records] == [LOST]
            await redis.start()
            with anyio.fail_after(30):
                while shared[-1] is False:
                    await limiter.acquire()
    assert [record.getMessage() for record in caplog.records] == [LOST, BACK]
    assert shared == [True, False, True]
    assert str(redis.port) not in caplog.text


async def test_redis_that_does_not_respond_delays_little(redis: RedisServer) -> None:
    shared: list[bool] = []
    async with aclosing(RedisRateLimiter(redis.url, "key", 1000, LocalRateLimiter(1000), shared.append)) as limiter:
        await limiter.acquire()
        redis.freeze()
        try:
            with anyio.fail_after(20):
                await seconds_to_acquire(100, limiter)
        finally:
            redis.thaw()
    assert shared == [True, False]


async def test_requests_that_waited_without_redis_count_against_the_limit_when_it_is_back(redis: RedisServer) -> None:
    granted: list[float] = []
    limiter = RedisRateLimiter(redis.url, "key", 20, LocalRateLimiter(20))

    async def acquire() -> None:
        await limiter.acquire()
        granted.append(anyio.current_time())

    async with aclosing(limiter), anyio.create_task_group() as tasks:
        await limiter.acquire()
        redis.kill()
        for _ in range(60):
            tasks.start_soon(acquire)
        await wait_until(lambda: len(granted) >= 10)
        await redis.start()
        for _ in range(60):
            tasks.start_soon(acquire)
    # 120 at 20 per second, less a second's worth at once each time that another limiter takes over.
    assert granted[-1] - granted[0] >= 3.5


async def test_distant_redis_is_asked_for_several_permits_at_once(redis: RedisServer) -> None:
    """If it were asked once per request, a Redis at 100 ms would allow 10 requests per second."""
    questions = 0

    async def forward(client: SocketStream) -> None:
        async with (
            client,
            await anyio.connect_tcp("127.0.0.1", redis.port) as server,
            anyio.create_task_group() as pair,
        ):

            async def relay(source: SocketStream, target: SocketStream, delay: float) -> None:
                nonlocal questions
                async for part in source:
                    questions += delay > 0
                    await anyio.sleep(delay)
                    await target.send(part)
                pair.cancel_scope.cancel()

            pair.start_soon(relay, client, server, 0.1)
            pair.start_soon(relay, server, client, 0)

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(SocketAttribute.local_port)  # noqa: S610 - not Django's `extra`
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, forward)
        async with limiters(f"redis://127.0.0.1:{port}/0", 1, rate=200, share=1) as (limiter,):
            await seconds_to_acquire(100, limiter)
            assert limiter._redis.is_worth_asking
        tasks.cancel_scope.cancel()
    assert questions < 40


async def test_new_server_is_found_after_a_failover(redis: RedisServer) -> None:
    """The demoted server still responds, with an error: it is read-only."""
    shared: list[bool] = []
    async with aclosing(RedisRateLimiter(redis.url, "key", 1000, LocalRateLimiter(1000), shared.append)) as limiter:
        await limiter.acquire()
        with redis_client(redis) as admin:
            admin.replicaof("127.0.0.1", "1")
        await limiter.acquire()
        assert shared == [True, False]
        # The next connection is a new one, so that the hostname is resolved again.
        assert not any(
            connection.is_connected for connection in limiter._reconnection._connections._available_connections
        )
        with redis_client(redis) as admin:
            admin.replicaof("NO", "ONE")
        with anyio.fail_after(30):
            while shared[-1] is False:
                await limiter.acquire()


def keys_of(admin: Redis) -> list[bytes]:
    """Return the keys of the limit's counters."""
    return list(admin.scan_iter("customerio-track-mcp:*"))


@pytest.mark.parametrize("expiry", [None, 10**6])
async def test_counter_without_a_valid_expiry_does_not_limit_forever(
    redis: RedisServer, caplog: pytest.LogCaptureFixture, expiry: int | None
) -> None:
    shared: list[bool] = []
    async with aclosing(RedisRateLimiter(redis.url, "key", 5, LocalRateLimiter(1000), shared.append)) as limiter:
        await seconds_to_acquire(5, limiter)
        with redis_client(redis) as admin:
            for key in keys_of(admin):
                assert admin.persist(key) if expiry is None else admin.expire(key, expiry)
            with anyio.fail_after(30):
                await limiter.acquire()
            assert all(0 < admin.pttl(key) <= 2000 for key in keys_of(admin))
    assert shared == [True]
    assert [record.getMessage() for record in caplog.records] == [
        "rate budget counter had no valid expiry, and was deleted"
    ]


@pytest.mark.parametrize("expiry", [None, 10**6])
async def test_previous_counter_without_a_valid_expiry_does_not_limit_forever(
    redis: RedisServer, expiry: int | None
) -> None:
    async with limiters(redis.url, 1, rate=5, share=1) as (limiter,):
        await limiter.acquire()
        with redis_client(redis) as admin:
            (key,) = keys_of(admin)
            admin.delete(key)
            admin.set(key + b"/-1", 1000, ex=expiry)
        with anyio.fail_after(30):
            await limiter.acquire()


async def test_busy_limit_keeps_its_counters(redis: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    """Every refusal may inspect the counters, which stay even if other processes use up the limit."""
    async with limiters(redis.url, 2, rate=20, share=1000) as two:
        # 40 requests at 20 per second, the first 20 at once.
        assert await seconds_to_acquire(20, *two) >= 1
    assert caplog.records == []


def wrong_type(admin: Redis) -> None:
    (key,) = keys_of(admin)
    admin.delete(key)
    admin.lpush(key, "x")


def out_of_memory(admin: Redis) -> None:
    admin.config_set("maxmemory", "1")


def password(admin: Redis) -> None:
    admin.config_set("requirepass", "secret")
    # Connections that exist remain authenticated.
    admin.client_kill_filter(_type="normal", skipme=True)


def not_a_number(admin: Redis) -> None:
    (key,) = keys_of(admin)
    admin.set(key, "x", keepttl=True)


def forbidden_command(admin: Redis) -> None:
    admin.acl_setuser("default", commands=["-evalsha"])


@pytest.mark.parametrize("break_it", [wrong_type, out_of_memory, password, not_a_number, forbidden_command])
async def test_redis_that_rejects_the_command_is_lost(redis: RedisServer, break_it: Callable[[Redis], None]) -> None:
    shared: list[bool] = []
    async with aclosing(RedisRateLimiter(redis.url, "key", 1000, LocalRateLimiter(1000), shared.append)) as limiter:
        await limiter.acquire()
        with redis_client(redis) as admin:
            break_it(admin)
        await limiter.acquire()
    assert shared == [True, False]


async def test_flushed_scripts_are_loaded_again(redis: RedisServer) -> None:
    shared: list[bool] = []
    async with aclosing(RedisRateLimiter(redis.url, "key", 1000, LocalRateLimiter(1000), shared.append)) as limiter:
        await limiter.acquire()
        with redis_client(redis) as admin:
            admin.script_flush()
        await limiter.acquire()
    assert shared == [True]
