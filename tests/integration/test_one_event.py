"""One intent is one event: results that are lost, calls that are dispatched twice, replicas that are lost.

Two replicas share a Redis. The Track API is a sandbox, behind a server that can withhold its responses.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Set
from contextlib import AbstractContextManager, asynccontextmanager, contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import Any
from uuid import uuid4

import aiohttp
import anyio
import anyio.abc
import httpx
import pytest
from anyio.streams.buffered import BufferedByteReceiveStream

from customerio_track_mcp.sandbox import RunningSandbox, run_sandbox
from tests.support.http_service import HEADERS
from tests.support.messages import INITIALIZE
from tests.support.process import COMMAND, environment, exit_status, running, url_from_stderr
from tests.support.raw_messages import LEGACY, MODERN, headers_of, raw_call, raw_request
from tests.support.redis_server import REDIS_SERVER, RedisServer, redis_client, redis_server
from tests.support.scripted_server import ScriptedServer, respond
from tests.support.waiting import wait_until

pytestmark = pytest.mark.skipif(
    REDIS_SERVER is None and "REQUIRE_REDIS" not in os.environ, reason="redis-server is not installed"
)

VERSIONS = pytest.mark.parametrize("version", [LEGACY, MODERN])
META = "customerio-track-mcp/"


@dataclass(frozen=True)
class Workspace:
    """What the replicas call.

    Attributes:
        sandbox: records the events.
        front: passes requests on to it, and withholds responses on demand.
        http: the client by which it does. (httpx is too slow for many requests at once.)
        redis: what the replicas share.
    """

    sandbox: RunningSandbox
    front: ScriptedServer
    http: aiohttp.ClientSession
    redis: RedisServer

    def hold(self, number: int = 1) -> anyio.Event:
        """Withhold the responses to as many next events, which are recorded, until the returned event is set."""
        go = anyio.Event()
        self.front.acts += [partial(self.pass_on, go)] * number
        return go

    async def pass_on(
        self, until: anyio.Event | None, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        """Pass a request on, and respond at once or when `until` is set: an act."""
        request = self.front.requests[-1]
        headers = {name: request.headers[name] for name in ("authorization", "content-type")}
        method = request.line.split(" ")[0]
        url = self.sandbox.url + request.target
        async with self.http.request(method, url, data=request.body, headers=headers) as response:
            body = await response.read()
        if until is not None:
            await until.wait()
        await respond(response.status, body)(reader, writer)

    def ids(self, name: str) -> list[str]:
        """Return the event ids of the requests for events with this name."""
        return [request.json["id"] for request in self.front.requests if request.json["name"] == name]

    def events(self, name: str) -> int:
        """Return how many events with this name were recorded."""
        return sum(event.name == name for event in self.sandbox.workspace.events)

    async def is_recorded(self, name: str) -> None:
        """Wait until an event with this name is recorded."""
        await wait_until(lambda: self.events(name) > 0)

    async def is_forgotten(self) -> None:
        """Wait until the replicas share no event id."""
        with redis_client(self.redis) as client:
            await wait_until(lambda: not client.keys("*:event:*"))

    def replica(self, **settings: str) -> AbstractContextManager[subprocess.Popen[str]]:
        """Start a replica; see `running`."""
        shared = {"track_url": self.front.url, "api_key": "sandbox:sandbox", "rate_limit_storage": self.redis.url}
        limits = dict.fromkeys(("http_max_in_flight", "http_max_in_flight_per_caller"), "500") | {"rate_limit": "5000"}
        return running("http", "--port", "0", env=environment(**shared, **limits, **settings))


def http_client() -> aiohttp.ClientSession:
    """Return a client without a limit on connections, and without retries of its own."""
    connector = aiohttp.TCPConnector(limit=0, force_close=True)
    return aiohttp.ClientSession(connector=connector, timeout=aiohttp.ClientTimeout(60))


@pytest.fixture(scope="module")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="module")
async def workspace() -> AsyncIterator[Workspace]:
    async with (
        run_sandbox() as sandbox,
        ScriptedServer(hides_lookups=True) as front,
        redis_server() as redis,
        http_client() as http,
    ):
        workspace = Workspace(sandbox, front, http, redis)
        front.otherwise = partial(workspace.pass_on, None)
        yield workspace


@pytest.fixture(scope="module")
def replicas(workspace: Workspace) -> Iterator[list[str]]:
    """The URLs of two replicas."""
    with workspace.replica() as first, workspace.replica() as second:
        yield [url_from_stderr(process, "listening on") for process in (first, second)]


@pytest.fixture(scope="module")
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with http_client() as client:
        yield client


@pytest.fixture
def name(workspace: Workspace) -> str:
    """A name for the events of a test, which begins with an empty Redis."""
    with redis_client(workspace.redis) as client:
        client.flushdb()
    return f"bought {uuid4()}"


def event(name: str, **data: object) -> str:
    return json.dumps({"customer_id": "1", "event_name": name, "data": {"amount": 10} | data})


@dataclass(frozen=True)
class Result:
    """What a tool call returned: its payload and the marks in its `_meta`."""

    payload: Mapping[str, Any]
    event_id: str
    marks: Set[str]


def result_of(message: Mapping[str, Any]) -> Result:
    assert "result" in message, message
    result = message["result"]
    marks = {mark for mark in ("joined", "reused") if result["_meta"].get(META + mark)}
    return Result(result["structuredContent"], result["_meta"][f"{META}event-id"], marks)


async def post(http: aiohttp.ClientSession, url: str, version: str, arguments: str) -> Result:
    headers = HEADERS | headers_of(version)
    async with http.post(url, data=raw_call(version, arguments), headers=headers) as response:
        text = await response.text()
    (message,) = re.findall(r"^(?:data: )?(\{.*)", text, re.MULTILINE)
    return result_of(json.loads(message))


@contextmanager
def connection(url: str, version: str, arguments: str) -> Iterator[socket.socket]:
    """Send a call over a connection of its own."""
    body, target = raw_call(version, arguments), httpx.URL(url)
    headers = HEADERS | headers_of(version) | {"Host": target.netloc.decode(), "Content-Length": str(len(body))}
    head = "\r\n".join([f"POST {target.path} HTTP/1.1", *(f"{key}: {value}" for key, value in headers.items()), "", ""])
    with socket.create_connection((target.host, target.port)) as client:
        client.sendall(head.encode() + body)
        yield client


async def calls_in_flight(http: aiohttp.ClientSession, url: str) -> int:
    """Return how many calls a replica works on."""
    async with http.get(url.replace("/mcp", "/metrics")) as response:
        (number,) = re.findall(r"^\w*calls_in_flight (\d+)", await response.text(), re.MULTILINE)
    return int(number)


@VERSIONS
async def test_call_again_after_a_lost_connection_is_the_same_event_on_another_replica(
    workspace: Workspace, replicas: list[str], http: aiohttp.ClientSession, name: str, version: str
) -> None:
    workspace.hold()
    with connection(replicas[0], version, event(name)):
        await workspace.is_recorded(name)
    again = await post(http, replicas[1], version, event(name))
    assert again.payload["success"]
    assert again.marks == {"reused"}
    assert workspace.ids(name) == [again.event_id] * 2
    assert workspace.events(name) == 1
    # That result was delivered. What follows is a purchase of its own.
    await workspace.is_forgotten()
    assert (await post(http, replicas[0], version, event(name))).marks == set()
    assert workspace.events(name) == 2


@VERSIONS
async def test_purchases_in_sequence_are_events_of_their_own(
    workspace: Workspace, replicas: list[str], http: aiohttp.ClientSession, name: str, version: str
) -> None:
    # To the same replica, at once.
    results = [await post(http, replicas[0], version, event(name)) for _ in range(5)]
    for replica in [replicas[1], replicas[0]]:
        await workspace.is_forgotten()
        results.append(await post(http, replica, version, event(name)))
    assert [result.marks for result in results] == [set()] * 7
    assert len({result.event_id for result in results}) == workspace.events(name) == 7


@VERSIONS
@pytest.mark.parametrize(("other", "mark"), [(0, "joined"), (1, "reused")])
async def test_call_that_is_dispatched_twice_is_one_event(
    workspace: Workspace,
    replicas: list[str],
    http: aiohttp.ClientSession,
    name: str,
    version: str,
    other: int,
    mark: str,
) -> None:
    """One replica sends one request for both. Two send one each, with the same event id."""
    results: dict[str, Result] = {}

    async def dispatch(key: str, url: str) -> None:
        results[key] = await post(http, url, version, event(name))

    async def are_in_flight() -> bool:
        return await calls_in_flight(http, replicas[0]) == 2

    go = workspace.hold()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(dispatch, "first", replicas[0])
        await workspace.is_recorded(name)
        tasks.start_soon(dispatch, "second", replicas[other])
        await wait_until(are_in_flight if other == 0 else lambda: "second" in results)
        go.set()
    assert results["first"].payload["success"]
    assert results["second"].payload["success"]
    assert (results["first"].marks, results["second"].marks) == (set(), {mark})
    assert results["first"].event_id == results["second"].event_id
    assert workspace.events(name) == 1
    assert len(workspace.ids(name)) == 1 + other
    await workspace.is_forgotten()


@VERSIONS
async def test_of_two_joined_calls_the_one_that_is_left_is_delivered(
    workspace: Workspace, replicas: list[str], http: aiohttp.ClientSession, name: str, version: str
) -> None:
    results: list[Result] = []

    async def dispatch() -> None:
        results.append(await post(http, replicas[0], version, event(name)))

    async def are_in_flight() -> bool:
        return await calls_in_flight(http, replicas[0]) == 2

    workspace.hold()
    async with anyio.create_task_group() as tasks:
        with connection(replicas[0], version, event(name)):
            await workspace.is_recorded(name)
            tasks.start_soon(dispatch)
            await wait_until(are_in_flight)
        # The call that was sent is canceled. The other one is sent, with the same event id.
    assert results[0].payload["success"]
    assert workspace.ids(name) == [results[0].event_id] * 2
    assert workspace.events(name) == 1
    await workspace.is_forgotten()


class Host:
    """A host of the server over stdio."""

    def __init__(self, process: anyio.abc.Process, version: str) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self._stdin = process.stdin
        self._lines = BufferedByteReceiveStream(process.stdout)
        self._version = version
        self._ids = count(1)

    async def send(self, message: bytes | Mapping[str, Any]) -> None:
        """Send a message."""
        line = message if isinstance(message, bytes) else json.dumps(message).encode()
        await self._stdin.send(line + b"\n")

    async def call(self, arguments: str) -> int:
        """Send a call; return its id."""
        number = next(self._ids)
        await self.send(raw_call(self._version, arguments, request_id=str(number)))
        return number

    async def cancel(self, request_id: int) -> None:
        """Cancel a call."""
        params = {"requestId": request_id, "reason": "timeout"}
        await self.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params})

    async def is_read(self) -> None:
        """Wait until the server has read what was sent."""
        await self.send(raw_request(self._version, "tools/list", '"read"'))
        assert (await self.receive())["id"] == "read"

    async def receive(self) -> Any:
        """Return the next message of the server."""
        with anyio.fail_after(30):
            return json.loads(await self._lines.receive_until(b"\n", 2**20))

    async def results(self, *ids: int) -> list[Result]:
        """Return the results of calls, which must be the next messages."""
        messages = {message["id"]: message for message in [await self.receive() for _ in ids]}
        return [result_of(messages[number]) for number in ids]


@asynccontextmanager
async def stdio(track_url: str, version: str) -> AsyncIterator[Host]:
    env = environment(track_url=track_url, api_key="sandbox:sandbox")
    async with await anyio.open_process(COMMAND, env=env, stderr=None) as process:
        host = Host(process, version)
        if version == LEGACY:
            await host.send(INITIALIZE)
            await host.receive()
        try:
            yield host
        finally:
            process.kill()


@VERSIONS
async def test_one_intent_is_one_event_over_stdio(workspace: Workspace, name: str, version: str) -> None:
    async with stdio(workspace.front.url, version) as host:
        # Canceled, and called again.
        workspace.hold()
        canceled = await host.call(event(name))
        await workspace.is_recorded(name)
        await host.cancel(canceled)
        (again,) = await host.results(await host.call(event(name)))
        assert again.payload["success"]
        assert again.marks == {"reused"}
        assert workspace.ids(name) == [again.event_id] * 2
        assert workspace.events(name) == 1

        # Purchases in sequence.
        for _ in range(3):
            (result,) = await host.results(await host.call(event(name)))
            assert result.marks == set()
        assert workspace.events(name) == 4

        # Dispatched twice.
        go = workspace.hold()
        ids = [await host.call(event(name)) for _ in range(2)]
        await host.is_read()
        go.set()
        first, second = await host.results(*ids)
        assert (first.payload["success"], second.payload["success"]) == (True, True)
        assert (first.marks, second.marks) == (set(), {"joined"})
        assert first.event_id == second.event_id == workspace.ids(name)[-1]
        assert workspace.events(name) == 5


async def test_call_again_after_a_killed_replica_under_load_loses_and_doubles_nothing(
    workspace: Workspace, replicas: list[str], http: aiohttp.ClientSession, name: str
) -> None:
    """Many callers make a purchase at once, at one of the replicas, and call again at the other one if that fails."""
    results: dict[int, Result] = {}
    repeated: set[int] = set()

    async def buy(number: int, url: str) -> None:
        arguments, version = event(name, purchase=number), (LEGACY, MODERN)[number % 2]
        try:
            results[number] = await post(http, url, version, arguments)
        except aiohttp.ClientError:
            repeated.add(number)
            results[number] = await post(http, replicas[1], version, arguments)

    with workspace.replica() as victim:
        urls = [url_from_stderr(victim, "listening on"), replicas[1]]
        async with anyio.create_task_group() as tasks:
            # The first ones are recorded, and whoever sent them gets no response before the replica is killed.
            go = workspace.hold(20)
            for number in range(120):
                tasks.start_soon(buy, number, urls[number // 2 % 2])
            await wait_until(lambda: workspace.events(name) >= 60)
            victim.kill()
            await wait_until(lambda: len(repeated) > 0)
            go.set()
    errors = {number: result.payload["error"] for number, result in results.items() if not result.payload["success"]}
    assert errors == {}
    recorded = Counter(event.data["purchase"] for event in workspace.sandbox.workspace.events if event.name == name)
    assert recorded == Counter(range(120))
    assert {number for number in repeated if "reused" in results[number].marks}


async def test_call_again_after_the_server_ended_a_call_is_the_same_event(
    workspace: Workspace, replicas: list[str], http: aiohttp.ClientSession, name: str
) -> None:
    workspace.hold()
    results: list[Result] = []
    with workspace.replica(http_grace_period="0") as process:
        url = url_from_stderr(process, "listening on")

        async def call() -> None:
            results.append(await post(http, url, MODERN, event(name)))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(call)
            await workspace.is_recorded(name)
            process.send_signal(signal.SIGTERM)
        assert await exit_status(process) == 0
    (ended,) = results
    assert ended.payload["error"].startswith("The server is stopping and ended the call after 1 attempt. ")
    assert "Calling again with the same arguments within 15 minutes is safe" in ended.payload["error"]
    again = await post(http, replicas[1], MODERN, event(name))
    assert again.payload["success"]
    assert (again.event_id, again.marks) == (ended.event_id, {"reused"})
    assert workspace.events(name) == 1
