"""Maxima per hour of several processes: over a real Redis that is stopped and started, and with `--workers`."""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager

import anyio
import httpx
import pytest
from redis import Redis

from customerio_track_mcp.control.quotas.base import Permit, Shortage, Unit
from customerio_track_mcp.control.quotas.local import LocalCounters
from customerio_track_mcp.control.quotas.redis_counters import RedisCounters
from customerio_track_mcp.sandbox import RunningSandbox
from tests.integration.test_replicas import http_client, two_replicas
from tests.support.http_service import HEADERS, another_call, call, payload_in
from tests.support.process import environment, run, running, terminate, url_from_stderr
from tests.support.redis_server import REDIS_SERVER, RedisServer, redis_client, redis_server

needs_redis = pytest.mark.skipif(
    REDIS_SERVER is None and "REQUIRE_REDIS" not in os.environ, reason="redis-server is not installed"
)
LOST = "quota storage lost: this process keeps to its share"
BACK = "quota storage is back: the maxima per hour are shared again"
KEY = "customerio-track-mcp:quota:key:events"


@pytest.fixture
async def redis() -> AsyncIterator[RedisServer]:
    async with redis_server() as server:
        yield server


@pytest.fixture
def _patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine, even a Redis that runs responds too late."""
    for module in ("redis_access.connections", "control.quotas.redis_counters"):
        monkeypatch.setattr(f"customerio_track_mcp.{module}.RESPONSE_TIMEOUT", 10)


@pytest.fixture
def _asked_again_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("customerio_track_mcp.redis_access.availability._RETRY_DELAY", 0)


@asynccontextmanager
async def processes(url: str, number: int, maximum: int, share: int) -> AsyncIterator[list[RedisCounters]]:
    """Yield the counters of `number` processes, each with its own connections."""
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(
                aclosing(
                    RedisCounters(url, "key", dict.fromkeys(Unit, maximum), LocalCounters(dict.fromkeys(Unit, share)))
                )
            )
            for _ in range(number)
        ]


async def take(counters: RedisCounters, amount: int = 1) -> bool:
    return isinstance(await counters.take(Unit.EVENTS, amount), Permit)


def minute_of(admin: Redis) -> int:
    seconds, _ = admin.time()
    return int(seconds) // 60


@needs_redis
@pytest.mark.usefixtures("_patient")
async def test_processes_share_the_maxima(redis: RedisServer) -> None:
    permits: list[bool] = []

    async def take_one(counters: RedisCounters) -> None:
        permits.append(await take(counters, 2))

    async with processes(redis.url, 3, maximum=21, share=1) as three, anyio.create_task_group() as tasks:
        for _ in range(20):
            for counters in three:
                tasks.start_soon(take_one, counters)
    assert permits.count(True) == 10
    async with processes(redis.url, 1, maximum=21, share=1) as (one,):
        assert not await take(one, 2)
        assert await take(one, 1)
        assert isinstance(await one.take(Unit.PEOPLE, 21), Permit)
    with redis_client(redis) as admin:
        assert sorted(admin.scan_iter("*")) == [KEY.encode(), KEY.replace("events", "people").encode()]
        assert 7000 < admin.ttl(KEY) <= 7320


@needs_redis
@pytest.mark.usefixtures("_patient")
async def test_minutes_count_for_an_hour(redis: RedisServer) -> None:
    async with processes(redis.url, 1, maximum=10, share=1) as (one,):
        with redis_client(redis) as admin:
            while True:
                minute = minute_of(admin)
                # A minute of the future is that of a Redis with another clock, which has failed over to this one.
                counted = {minute - 60: 3, minute - 30: 2, minute + 5: 1}
                admin.delete(KEY)
                admin.hset(KEY, mapping={str(key): value for key, value in {**counted, minute - 61: 100}.items()})
                granted = await take(one, 4)
                refusal = await one.take(Unit.EVENTS, 4)
                seconds, _ = admin.time()
                if minute_of(admin) == minute:
                    break
            assert granted
            assert sorted(map(int, admin.hkeys(KEY))) == sorted([*counted, minute])
    # The oldest three and one of the next two must be freed, for 6 + 4 + 4 units.
    assert isinstance(refusal, Shortage)
    assert (refusal.maximum, refusal.used) == (10, 10)
    freed_at = (minute - 30 + 61) * 60
    assert 0 <= refusal.seconds - (freed_at - int(seconds)) <= 1


@needs_redis
@pytest.mark.usefixtures("_patient")
async def test_units_are_given_back(redis: RedisServer) -> None:
    async with processes(redis.url, 2, maximum=5, share=1) as (one, other):
        permit = await one.take(Unit.EVENTS, 5)
        assert isinstance(permit, Permit)
        assert not await take(other)
        await one.give_back(permit)
        assert await take(other, 4)
        # A permit whose minute is no longer counted, or that somebody has given back, gives nothing.
        await one.give_back(permit)
        with redis_client(redis) as admin:
            assert [int(units) for units in admin.hvals(KEY)] == [0]
            admin.flushdb()
            await one.give_back(permit)
            assert not admin.exists(KEY)


@needs_redis
@pytest.mark.usefixtures("_patient", "_asked_again_at_once")
async def test_without_redis_each_process_has_its_share_which_is_counted_afterwards(
    redis: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    async with processes(redis.url, 2, maximum=10, share=5) as (one, other):
        with caplog.at_level(logging.WARNING):
            assert await take(one, 3)
            redis.kill()
            # What it has sent before counts for its share.
            assert await take(one, 1)
            rest = await one.take(Unit.EVENTS, 1)
            assert isinstance(rest, Permit)
            refusal = await one.take(Unit.EVENTS, 1)
            assert isinstance(refusal, Shortage)
            assert (refusal.maximum, refusal.used, refusal.is_share, refusal.is_redis_lost) == (5, 5, True, True)
            assert refusal.seconds > 3000
            await one.give_back(rest)
            await redis.start()
            assert await take(one, 2)
        assert [record.getMessage() for record in caplog.records] == [LOST, BACK]
        assert str(redis.port) not in caplog.text
        # Redis started empty: it has the units of the time without it, less what was given back, and those since then.
        refusal = await other.take(Unit.EVENTS, 8)
        assert isinstance(refusal, Shortage)
        assert refusal.used == 3


@needs_redis
async def test_redis_that_does_not_respond_delays_little(redis: RedisServer) -> None:
    async with processes(redis.url, 1, maximum=100, share=50) as (one,):
        permit = await one.take(Unit.EVENTS, 1)
        assert isinstance(permit, Permit)
        redis.freeze()
        try:
            with anyio.fail_after(20):
                assert [await take(one) for _ in range(60)].count(True) == 49
                await one.give_back(permit)
        finally:
            redis.thaw()


def wrong_type(admin: Redis) -> None:
    admin.delete(KEY)
    admin.lpush(KEY, "x")


def not_a_number(admin: Redis) -> None:
    admin.hset(KEY, str(minute_of(admin)), "x")


def not_a_minute(admin: Redis) -> None:
    admin.hset(KEY, "x", "1")


def out_of_memory(admin: Redis) -> None:
    admin.config_set("maxmemory", "1")


def read_only(admin: Redis) -> None:
    admin.replicaof("127.0.0.1", "1")


@needs_redis
@pytest.mark.usefixtures("_patient")
@pytest.mark.parametrize("break_it", [wrong_type, not_a_number, not_a_minute, out_of_memory, read_only])
async def test_redis_that_cannot_count_is_lost(
    redis: RedisServer, caplog: pytest.LogCaptureFixture, break_it: Callable[[Redis], None]
) -> None:
    async with processes(redis.url, 1, maximum=10, share=2) as (one,):
        assert await take(one)
        with redis_client(redis) as admin:
            break_it(admin)
        assert [await take(one) for _ in range(2)] == [True, False]
    assert [record.getMessage() for record in caplog.records] == [LOST]


@needs_redis
async def test_replicas_share_the_maximum(sandbox: RunningSandbox, redis: RedisServer) -> None:
    payloads = []

    async def send(http: httpx.AsyncClient, url: str) -> None:
        payloads.append(payload_in(await http.post(url, json=another_call())))

    settings = {"max_events_per_hour": "10", "rate_limit_storage": redis.url, "replicas": "20", "log_level": "warning"}
    with two_replicas(sandbox.url, **settings) as replicas:
        async with http_client() as http, anyio.create_task_group() as tasks:
            for number in range(40):
                tasks.start_soon(send, http, replicas[number % 2].url)
        logs = [await terminate(replica.process) for replica in replicas]
    number = len(list(sandbox.workspace.events))
    refused = [payload["error"] for payload in payloads if not payload["success"]]
    assert number == 40 - len(refused)
    # A Redis that responds too late, as on a busy machine, is lost. The shares are 0 then.
    if any("quota storage lost" in log for log in logs):
        assert number <= 10
        return
    assert number == 10
    assert all(
        "10 used in the last hour, 1 more needed. Call again with the same arguments in 6" in text for text in refused
    )


async def test_workers_together_keep_the_maximum(sandbox: RunningSandbox) -> None:
    env = environment(
        track_url=sandbox.url, api_key="sandbox:sandbox", max_events_per_hour="9", max_people_per_hour="40"
    )
    with running("http", "--port", "0", "--workers", "2", env=env) as process:
        url = url_from_stderr(process, "listening on")
        async with httpx.AsyncClient(
            trust_env=False, headers=HEADERS | {"Connection": "close"}, timeout=30
        ) as http:  # any worker may accept the next connection
            payloads = [payload_in(await http.post(url, json=call())) for _ in range(30)]
        log = await terminate(process)
    assert [payload["success"] for payload in payloads].count(True) == len(list(sandbox.workspace.events))
    assert 4 <= len(list(sandbox.workspace.events)) <= 8
    refused = [payload["error"] for payload in payloads if not payload["success"]]
    assert all("the share of this process, which is 4, of the maximum of 9 events per hour" in text for text in refused)
    for share, maximum, unit in [(4, 9, "events"), (20, 40, "people")]:
        line = f"WARNING: each process sends at most {share} of the {maximum} {unit} per hour"
        assert log.count(line) == 1


def test_maximum_that_cannot_be_divided_prevents_startup_with_one_line() -> None:
    env = environment(api_key="site:key", max_people_per_hour="3", replicas="2")
    result = run("http", "--port", "0", "--workers", "2", env=env)
    assert result.returncode == 2
    (line,) = result.stderr.splitlines()
    assert "CUSTOMERIO_MAX_PEOPLE_PER_HOUR: 3 cannot be divided among 4 processes" in line
