"""One rate budget for several processes, over a real Redis that comes and goes."""

from __future__ import annotations

import logging
import os
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager

import anyio
import pytest
from anyio.abc import SocketAttribute, SocketStream

from customerio_track_mcp.runtime import rate_budget
from customerio_track_mcp.settings.base import BadSettingsError
from customerio_track_mcp.settings.server import Settings
from customerio_track_mcp.track import Credentials, LocalRateBudget, TrackClient
from customerio_track_mcp.track.rate_limit.redis_limiter import SharedRateBudget, _per_window
from tests.redis_server import REDIS_SERVER, RedisServer, redis_client, redis_server
from tests.scripted import ScriptedServer
from tests.waiting import until

pytestmark = pytest.mark.skipif(
    REDIS_SERVER is None and "REQUIRE_REDIS" not in os.environ, reason="there is no redis-server"
)
LOST = "rate budget storage lost: this process keeps to its share"
BACK = "rate budget storage is back: the budget is shared again"


@pytest.fixture
async def redis() -> AsyncIterator[RedisServer]:
    async with redis_server() as server:
        yield server


@asynccontextmanager
async def budgets(url: str, number: int, rate: float, share: float) -> AsyncIterator[list[SharedRateBudget]]:
    """What so many processes would have, each with connections of its own."""
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(aclosing(SharedRateBudget(url, "key", rate, LocalRateBudget(share))))
            for _ in range(number)
        ]


async def seconds_to_spend(number: int, *spending: SharedRateBudget) -> float:
    """How long it takes until each of `spending` has let so many requests go."""

    async def spend(budget: SharedRateBudget) -> None:
        await budget.acquire()

    started = anyio.current_time()
    async with anyio.create_task_group() as tasks:
        for budget in spending:
            for _ in range(number):
                tasks.start_soon(spend, budget)
    return anyio.current_time() - started


async def test_what_one_spends_the_others_do_not_have(redis: RedisServer) -> None:
    """A lower bound alone is told: however slow the machine is, it must not be quicker than the budget allows."""
    async with budgets(redis.url, 3, rate=50, share=1000) as three:
        # 150 requests at 50 a second, of which 50 may go at once; three budgets apart would let them all go at once.
        assert await seconds_to_spend(50, *three) >= 1.5


async def test_requests_go_in_the_order_in_which_they_came(redis: RedisServer) -> None:
    order: list[int] = []

    async def spend(budget: SharedRateBudget, number: int) -> None:
        await budget.acquire()
        order.append(number)

    async with budgets(redis.url, 1, rate=20, share=1) as (budget,), anyio.create_task_group() as tasks:
        for number in range(30):
            tasks.start_soon(spend, budget, number)
            await anyio.lowlevel.checkpoint()
    assert order == list(range(30))


async def test_who_gives_up_waiting_holds_up_nobody(redis: RedisServer) -> None:
    async with budgets(redis.url, 1, rate=1, share=1) as (budget,):
        await budget.acquire()
        with anyio.move_on_after(0.05) as scope:
            await budget.acquire()
        assert scope.cancelled_caught
        with anyio.fail_after(20):
            await budget.acquire()


async def test_without_redis_each_keeps_to_its_share_and_says_so_once(
    redis: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    shared: list[bool] = []
    budget = SharedRateBudget(redis.url, "key", 1000, LocalRateBudget(20), shared.append)
    with caplog.at_level(logging.WARNING):
        async with aclosing(budget):
            await budget.acquire()
            redis.kill()
            # 22 at 20 a second, of which 2 may go at once.
            assert await seconds_to_spend(22, budget) >= 0.9
            assert [record.getMessage() for record in caplog.records] == [LOST]
            await redis.start()
            with anyio.fail_after(30):
                while shared[-1] is False:
                    await budget.acquire()
    assert [record.getMessage() for record in caplog.records] == [LOST, BACK]
    assert shared == [True, False, True]
    assert str(redis.port) not in caplog.text


async def test_a_redis_that_hangs_costs_little(redis: RedisServer) -> None:
    shared: list[bool] = []
    async with aclosing(SharedRateBudget(redis.url, "key", 1000, LocalRateBudget(1000), shared.append)) as budget:
        await budget.acquire()
        redis.freeze()
        try:
            with anyio.fail_after(20):
                await seconds_to_spend(100, budget)
        finally:
            redis.thaw()
    assert shared == [True, False]


async def test_a_redis_that_is_not_there_at_the_start_fails_no_call(
    scripted: ScriptedServer, caplog: pytest.LogCaptureFixture
) -> None:
    settings = Settings(api_key="site:key", rate_limit_storage="redis://user:secret-password@127.0.0.1:1/0")
    async with (
        rate_budget(settings, scripted.url) as budget,
        TrackClient(Credentials("site", "key"), scripted.url, budget=budget) as client,
    ):
        for _ in range(3):
            await client.track("1", "seen")
    assert [record.getMessage() for record in caplog.records].count(LOST) == 1
    assert "secret-password" not in caplog.text


async def test_who_waited_without_redis_does_not_go_beside_the_budget_when_it_is_back(redis: RedisServer) -> None:
    granted: list[float] = []
    budget = SharedRateBudget(redis.url, "key", 20, LocalRateBudget(20))

    async def spend() -> None:
        await budget.acquire()
        granted.append(anyio.current_time())

    async with aclosing(budget), anyio.create_task_group() as tasks:
        await budget.acquire()
        redis.kill()
        for _ in range(60):
            tasks.start_soon(spend)
        await until(lambda: len(granted) >= 10)
        await redis.start()
        for _ in range(60):
            tasks.start_soon(spend)
    # 120 at 20 a second, of which a second's worth may go at once each time that another budget takes over.
    assert granted[-1] - granted[0] >= 3.5


async def test_a_distant_redis_does_not_starve_the_budget(redis: RedisServer) -> None:
    """Asked once for each request, a Redis at 100 ms would let 10 go in a second."""
    asked = 0

    async def forward(client: SocketStream) -> None:
        async with (
            client,
            await anyio.connect_tcp("127.0.0.1", redis.port) as server,
            anyio.create_task_group() as pair,
        ):

            async def relay(source: SocketStream, target: SocketStream, delay: float) -> None:
                nonlocal asked
                async for part in source:
                    asked += delay > 0
                    await anyio.sleep(delay)
                    await target.send(part)
                pair.cancel_scope.cancel()

            pair.start_soon(relay, client, server, 0.1)
            pair.start_soon(relay, server, client, 0)

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    port = listener.extra(SocketAttribute.local_port)  # noqa: S610 - no Django here
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, forward)
        async with budgets(f"redis://127.0.0.1:{port}/0", 1, rate=200, share=1) as (budget,):
            await seconds_to_spend(100, budget)
            assert budget._shared
        tasks.cancel_scope.cancel()
    assert asked < 40


async def test_after_a_failover_the_new_server_is_found(redis: RedisServer) -> None:
    """The demoted server goes on answering, and says that it is read-only."""
    shared: list[bool] = []
    async with aclosing(SharedRateBudget(redis.url, "key", 1000, LocalRateBudget(1000), shared.append)) as budget:
        await budget.acquire()
        with redis_client(redis) as admin:
            admin.replicaof("127.0.0.1", "1")
        await budget.acquire()
        assert shared == [True, False]
        # The next one is made anew, so that the name is looked up again.
        assert not any(connection.is_connected for connection in budget._connections._available_connections)
        with redis_client(redis) as admin:
            admin.replicaof("NO", "ONE")
        with anyio.fail_after(30):
            while shared[-1] is False:
                await budget.acquire()


@pytest.mark.parametrize(
    "url",
    [
        "redis://localhost:x/0",
        "redis://[::1/0",
        "redis://localhost/0?ssl_cert_reqs=none",
        "redis://localhost/0?timeout=3",
        "redis://localhost/0?ssl=true",
        "redis://:6379",
    ],
)
async def test_a_storage_that_can_t_be_used_is_told_without_its_password(url: str) -> None:
    settings = Settings(api_key="site:key", rate_limit_storage=url.replace("//", "//user:secret@"))
    with pytest.raises(BadSettingsError, match="CUSTOMERIO_RATE_LIMIT_STORAGE: is no URL of a Redis") as raised:
        async with rate_budget(settings, "http://127.0.0.1:1"):
            pass
    assert "secret" not in str(raised.value)


@pytest.mark.parametrize(
    ("rate", "requests", "seconds"),
    [(100, 100, 1), (1, 1, 1), (2.5, 2, 1), (99_999.7, 99_999, 1), (0.5, 1, 2), (0.3, 1, 4), (1e-3, 1, 1000)],
)
def test_the_window_never_lets_more_go_than_was_asked(rate: float, requests: int, seconds: int) -> None:
    window = _per_window(rate)
    assert (window.amount, window.get_expiry()) == (requests, seconds)


@pytest.mark.parametrize("settings", [{"replicas": 4}, {}])
async def test_in_memory_a_process_keeps_to_its_share(settings: dict[str, int]) -> None:
    given = Settings(api_key="site:key", rate_limit=40, **settings)  # type: ignore[arg-type]
    async with rate_budget(given, "http://127.0.0.1:1", processes=1 if settings else 4) as budget:
        started = anyio.current_time()
        for _ in range(11):
            await budget.acquire()
        assert anyio.current_time() - started >= 0.9
