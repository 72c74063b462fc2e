"""Two replicas behind a load balancer, with a shared rate limit, under load, and when one of them is lost."""

from __future__ import annotations

import os
import re
import subprocess
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from itertools import count
from pathlib import Path
from socket import create_server
from typing import NamedTuple

import aiohttp
import anyio
import httpx
import pytest
from anyio import to_thread
from mcp import Client

from customerio_track_mcp.sandbox import RunningSandbox
from tests.support.caddy import CADDY, caddyfile, needs_caddy, version_variables
from tests.support.http_service import HEADERS, another_call, call, payload_in
from tests.support.loaded_command import LoadedProcess, running_loaded
from tests.support.process import environment, terminate, url_from_stderr
from tests.support.redis_server import REDIS_SERVER, RedisServer, redis_server
from tests.support.scripted_server import ScriptedServer, respond
from tests.support.waiting import wait_until

needs_redis = pytest.mark.skipif(
    REDIS_SERVER is None and "REQUIRE_REDIS" not in os.environ, reason="redis-server is not installed"
)


class Replica(NamedTuple):
    process: LoadedProcess
    url: str


@pytest.fixture
async def redis() -> AsyncIterator[RedisServer]:
    async with redis_server() as server:
        yield server


@contextmanager
def two_replicas(track_url: str, **settings: str) -> Iterator[list[Replica]]:
    """Run two replicas for one workspace until the block ends."""
    defaults = {"http_max_in_flight": "2000", "http_max_in_flight_per_caller": "2000", "log_level": "error"}
    env = environment(track_url=track_url, api_key="sandbox:sandbox", **defaults | settings)
    with ExitStack() as stack:
        processes = [stack.enter_context(running_loaded("http", "--port", "0", env=env)) for _ in range(2)]
        yield [Replica(process, url_from_stderr(process, "listening on")) for process in processes]


@asynccontextmanager
async def load_balancer(replicas: list[Replica], directory: Path) -> AsyncIterator[str]:
    """Run Caddy with the deployment's Caddyfile in front of `replicas`; yields its URL."""
    assert CADDY is not None
    with create_server(("127.0.0.1", 0)) as unused:
        port = unused.getsockname()[1]
    env = (
        dict(os.environ)
        | version_variables()
        | {
            "MCP_SITE": f"http://127.0.0.1:{port}",
            "MCP_UPSTREAMS": " ".join(httpx.URL(replica.url).netloc.decode() for replica in replicas),
            "XDG_DATA_HOME": str(directory),
            "XDG_CONFIG_HOME": str(directory),
        }
    )
    # Without the admin endpoint, which always listens on the same port.
    file = directory / "Caddyfile"
    file.write_text(caddyfile("admin off"), encoding="utf-8")
    process = subprocess.Popen(  # noqa: ASYNC220 - returns at once
        [CADDY, "run", "--config", str(file), "--adapter", "caddyfile"], env=env, stderr=subprocess.DEVNULL
    )
    url = f"http://127.0.0.1:{port}"
    try:
        async with http_client() as http:

            async def is_serving() -> bool:
                try:
                    return (await http.post(f"{url}/mcp", json={})).status_code == 400
                except httpx.TransportError:
                    return False

            await wait_until(is_serving)
        yield url
    finally:
        process.kill()
        await to_thread.run_sync(process.wait)


def http_client() -> httpx.AsyncClient:
    """Return a client without a limit on connections."""
    limits = httpx.Limits(max_connections=None)
    return httpx.AsyncClient(trust_env=False, headers=HEADERS, timeout=120, limits=limits)


def aiohttp_client() -> aiohttp.ClientSession:
    """Return a client for a thousand concurrent calls, for which httpx's connection pool is too slow."""
    return aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0), headers=HEADERS)


@needs_caddy
@pytest.mark.parametrize("mode", ["legacy", "auto"])
async def test_load_balancer_may_send_each_request_to_any_replica(
    sandbox: RunningSandbox, tmp_path: Path, mode: str
) -> None:
    with two_replicas(sandbox.url) as replicas:
        async with load_balancer(replicas, tmp_path) as url, http_client() as http:
            async with Client(f"{url}/mcp", mode=mode) as client:
                for number in range(10):
                    result = await client.call_tool("send_event", {"customer_id": "1", "event_name": f"event {number}"})
                    assert result.structured_content["success"]
            for internal in ("/metrics", "/healthz", "/readyz"):
                assert (await http.get(url + internal)).status_code == 404
            # Both replicas served some of the calls.
            for replica in replicas:
                metrics = (await http.get(replica.url.replace("/mcp", "/metrics"))).text
                assert 'tool_calls_total{outcome="ok",tool="send_event"} 0.0' not in metrics
    assert len(list(sandbox.workspace.events)) == 10


@needs_caddy
async def test_outage_of_the_track_api_takes_no_replica_out(scripted: ScriptedServer, tmp_path: Path) -> None:
    """Callers get the documented payload, where an unready replica would leave them the load balancer's 503."""
    scripted.acts = [respond(503, "{}")] * 10_000
    with two_replicas(scripted.url, max_attempts="1") as replicas:
        async with load_balancer(replicas, tmp_path) as url, http_client() as http:

            async def were_asked() -> bool:
                pages = [await http.get(replica.url.replace("/mcp", "/metrics")) for replica in replicas]
                return all("upstream_reachable 0.0" in page.text for page in pages)

            await wait_until(were_asked)
            for replica in replicas:
                assert (await http.get(replica.url.replace("/mcp", "/readyz"))).status_code == 200
            for _ in range(4):
                response = await http.post(f"{url}/mcp", json=call())
                assert response.status_code == 200
                assert payload_in(response)["success"] is False


@needs_caddy
async def test_calls_survive_a_killed_replica_behind_the_load_balancer(sandbox: RunningSandbox, tmp_path: Path) -> None:
    succeeded: dict[str, bool] = {}

    async def send(http: aiohttp.ClientSession, url: str, name: str) -> None:
        try:
            async with http.post(f"{url}/mcp", json=call(customer_id="1", event_name=name)) as response:
                succeeded[name] = '"success":true' in await response.text()
        except aiohttp.ClientError:
            # The response had started, and the load balancer closed the connection.
            succeeded[name] = False

    with two_replicas(sandbox.url, rate_limit="5000") as replicas:
        async with load_balancer(replicas, tmp_path) as url, aiohttp_client() as http:
            async with anyio.create_task_group() as tasks:
                for number in range(1000):
                    tasks.start_soon(send, http, url, f"event {number}")
                await wait_until(lambda: sum(succeeded.values()) >= 100)
                replicas[0].process.kill()
            assert len(succeeded) == 1000
            # Calls to the other replica are not affected, nor are later ones, once the load balancer has noticed.
            assert sum(succeeded.values()) >= 500
            numbers = count()

            async def has_noticed() -> bool:
                names = [f"meanwhile {next(numbers)}" for _ in range(4)]
                for name in names:
                    await send(http, url, name)
                return all(succeeded[name] for name in names)

            await wait_until(has_noticed)
            for number in range(20):
                await send(http, url, f"afterwards {number}")
                assert succeeded[f"afterwards {number}"]
    recorded = Counter(event.name for event in sandbox.workspace.events)
    assert {name for name, number in recorded.items() if number > 1} == set()
    assert {name for name, success in succeeded.items() if success} <= set(recorded)


async def test_calls_to_the_other_replica_survive_without_a_load_balancer(sandbox: RunningSandbox) -> None:
    succeeded: set[str] = set()
    cut_off: set[str] = set()

    async def send(http: httpx.AsyncClient, url: str, name: str) -> None:
        try:
            response = await http.post(url, json=call(customer_id="1", event_name=name))
        except httpx.TransportError:
            cut_off.add(name)
        else:
            assert payload_in(response)["success"]
            succeeded.add(name)

    with two_replicas(sandbox.url, rate_limit="5000") as replicas:
        async with http_client() as http, anyio.create_task_group() as tasks:
            for number in range(200):
                tasks.start_soon(send, http, replicas[number % 2].url, f"event {number}")
            await wait_until(lambda: len(succeeded) >= 20)
            replicas[0].process.kill()
    assert succeeded >= {f"event {number}" for number in range(1, 200, 2)}
    assert succeeded | cut_off == {f"event {number}" for number in range(200)}
    recorded = Counter(event.name for event in sandbox.workspace.events)
    assert set(recorded.values()) == {1}
    assert succeeded <= set(recorded)


async def call_concurrently(replicas: list[Replica], calls: int, successes: list[bool]) -> float:
    """Make concurrent calls, alternating between the replicas.

    Args:
        replicas: two replicas.
        calls: the number of calls.
        successes: gets the success of each call when it ends.

    Returns:
        The duration of all calls together, in seconds.
    """

    async def send(http: httpx.AsyncClient, url: str) -> None:
        successes.append(payload_in(await http.post(url, json=another_call()))["success"])

    started = anyio.current_time()
    async with http_client() as http, anyio.create_task_group() as tasks:
        for index in range(calls):
            tasks.start_soon(send, http, replicas[index % 2].url)
    return anyio.current_time() - started


@needs_redis
async def test_replicas_share_one_rate_limit_under_load(sandbox: RunningSandbox, redis: RedisServer) -> None:
    successes: list[bool] = []
    settings = {"rate_limit": "50", "rate_limit_storage": redis.url, "time_budget": "120"}
    with two_replicas(sandbox.url, **settings) as replicas:
        # 200 calls at 50 per second, 50 of them in a burst, take 3 seconds; with separate limits, they would take 1.
        assert await call_concurrently(replicas, 200, successes) >= 2.9
    assert successes == [True] * 200


@needs_redis
async def test_calls_succeed_while_redis_is_lost_and_restarted(sandbox: RunningSandbox, redis: RedisServer) -> None:
    successes: list[bool] = []
    settings = {"rate_limit": "100", "rate_limit_storage": redis.url, "replicas": "2", "log_level": "warning"}
    with two_replicas(sandbox.url, **settings) as replicas:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(call_concurrently, replicas, 300, successes)
            await wait_until(lambda: len(successes) >= 50)
            redis.kill()
            await wait_until(lambda: len(successes) >= 200)
            await redis.start()
        assert successes == [True] * 300
        for replica in replicas:
            log = await terminate(replica.process)
            # Each loss is logged once. A Redis that responds too late, as on a busy machine, is lost as well.
            changes = re.findall("rate budget storage (lost|is back)", log)
            assert changes == ["lost", "is back"] * (len(changes) // 2) + ["lost"] * (len(changes) % 2)
    assert len(list(sandbox.workspace.events)) == 300
