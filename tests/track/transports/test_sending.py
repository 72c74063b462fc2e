"""When a request counts as sent: from right before its first byte, whatever ends it, and only once."""

from __future__ import annotations

import asyncio
import gc
import socket
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from typing import Final

import anyio
import httpx
import pytest

from customerio_track_mcp.track import RequestFailedError, RetryPolicy, TrackClient, create_transport, operations
from customerio_track_mcp.track.operations import TrackRequest
from customerio_track_mcp.track.retries import Progress
from customerio_track_mcp.track.session import Session
from customerio_track_mcp.track.transports.pool import MAX_CONNECTIONS
from tests.support.scripted_server import Act, ScriptedServer, close, hang, reset, respond_when
from tests.track.failing_calls import CREDENTIALS, ONE_ATTEMPT, PERSON, failure_of_identify

RESPONSE: Final = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
REQUESTS: Final[dict[str, Callable[[], TrackRequest]]] = {
    "GET": operations.find_region,
    "PUT": lambda: operations.identify(PERSON, attributes={"plan": "pro"}),
    "POST": lambda: operations.track(PERSON, "seen", data={"page": "/"}),
}


class Listener:
    """A server that does nothing by itself, so that a test can see which bytes it has received at any moment."""

    def __init__(self) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._socket.setblocking(False)
        self._connections: list[socket.socket] = []

    @property
    def url(self) -> str:
        host, port = self._socket.getsockname()
        return f"http://{host}:{port}"

    async def respond_to(self, call: Awaitable[object]) -> None:
        """Confirm a request without a body that `call` sends on a new connection."""
        task = asyncio.ensure_future(call)
        loop = asyncio.get_running_loop()
        connection, _ = await loop.sock_accept(self._socket)
        self._connections.append(connection)
        await loop.sock_recv(connection, 2**16)
        await loop.sock_sendall(connection, RESPONSE)
        await task

    def receive(self) -> bytes:
        """Return what was sent since the last call, on all connections. On loopback, nothing is under way."""
        with suppress(BlockingIOError):
            while True:
                self._connections.append(self._socket.accept()[0])
        received = b""
        for connection in self._connections:
            with suppress(BlockingIOError, ConnectionError):
                received += connection.recv(2**16, socket.MSG_DONTWAIT)
        return received

    async def receive_some(self) -> bytes:
        """Wait for the first bytes since the last call."""
        while not (received := self.receive()):  # noqa: ASYNC110 - nothing reports that a socket is readable
            await asyncio.sleep(0)
        return received

    def close(self) -> None:
        for connection in (*self._connections, self._socket):
            connection.close()


@pytest.fixture
def listener() -> Iterator[Listener]:
    opened = Listener()
    yield opened
    opened.close()


async def eventually(condition: Callable[[], bool]) -> None:
    with anyio.fail_after(30):
        while not condition():  # noqa: ASYNC110 - the server reports neither of them with an event
            await asyncio.sleep(0)


class Relay(httpx.AsyncBaseTransport):
    """A transport around the pool, such as the one that adds a header for a sandbox."""

    def __init__(self, url: str) -> None:
        self._transport = create_transport(url)

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return await self._transport.handle_async_request(request)

    async def aclose(self) -> None:
        await self._transport.aclose()


class Silent(httpx.AsyncBaseTransport):
    """A transport that does not report when it sends."""

    def __init__(self) -> None:
        self._transport = httpx.AsyncHTTPTransport()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        del request.extensions["trace"]
        return await self._transport.handle_async_request(request)

    async def aclose(self) -> None:
        await self._transport.aclose()


TRANSPORTS: Final[dict[str, Callable[[str], httpx.AsyncBaseTransport | None]]] = {
    "pool": lambda _: None,
    "transport around the pool": Relay,
    "httpx's own": lambda _: httpx.AsyncHTTPTransport(),
}
SILENT: Final[dict[str, Callable[[str], httpx.AsyncBaseTransport | None]]] = {"silent": lambda _: Silent()}
every_transport = pytest.mark.parametrize("transport", TRANSPORTS)
every_method = pytest.mark.parametrize("method", REQUESTS)


@every_transport
@every_method
async def test_sending_is_reported_right_before_the_first_byte(listener: Listener, transport: str, method: str) -> None:
    session = Session(CREDENTIALS, listener.url, ONE_ATTEMPT, 1, TRANSPORTS[transport](listener.url))
    reports: list[bytes] = []
    for connection in ("new", "reused"):
        attempt = asyncio.create_task(
            session.attempt(REQUESTS[method](), 1, lambda: reports.append(listener.receive()))
        )
        received = await listener.receive_some()
        assert reports == [b""], connection
        assert received.startswith(method.encode())
        attempt.cancel()
        with suppress(asyncio.CancelledError):
            await attempt
        reports.clear()
        await listener.respond_to(session.attempt(operations.find_region(), 1, lambda: None))
    await session.aclose()


# asyncio leaves a connection to the garbage collector if it is canceled in one step of creating it.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("transport", TRANSPORTS | SILENT)
@every_method
@pytest.mark.parametrize("is_reused", [False, True])
async def test_canceled_request_is_never_reported_as_not_sent_if_a_byte_was(
    listener: Listener, transport: str, method: str, is_reused: bool
) -> None:
    """It is canceled after every number of steps of the event loop until the server has received some of it."""
    steps, received = 0, b""
    while not received:
        carrier = (TRANSPORTS | SILENT)[transport](listener.url)
        async with TrackClient(CREDENTIALS, listener.url, transport=carrier) as client:
            if is_reused:
                await listener.respond_to(client.find_region())
            progress = Progress()
            call = asyncio.create_task(client.send(REQUESTS[method](), progress))
            for _ in range(steps):
                await asyncio.sleep(0)
            call.cancel()
            with suppress(asyncio.CancelledError):
                await call
            received = listener.receive()
            assert progress.outcome_unknown or not received, f"canceled after {steps} steps"
        steps += 1
    assert steps > 1
    gc.collect()  # before the filter of warnings ends


@pytest.mark.parametrize("drop", [close, reset])
@pytest.mark.parametrize("idle_connections", [1, 2])
async def test_put_on_a_dropped_connection_is_sent_once(
    scripted: ScriptedServer, drop: Act, idle_connections: int
) -> None:
    """aiohttp would send it again, on the other idle connection or on a new one."""
    all_received = anyio.Event()
    scripted.acts = [respond_when(all_received) for _ in range(idle_connections)]
    async with TrackClient(CREDENTIALS, scripted.url, retry_policy=ONE_ATTEMPT) as client:
        async with anyio.create_task_group() as tasks:
            for number in range(idle_connections):
                tasks.start_soon(client.identify, str(number))
            await eventually(lambda: len(scripted.requests) == idle_connections)
            all_received.set()
        scripted.acts = [drop]
        error = await failure_of_identify(client)
        assert error.outcome_unknown
        assert len(scripted.requests) == idle_connections + 1
        assert scripted.connections == idle_connections
        # Nothing is left open of what aiohttp was about to use.
        await eventually(lambda: not scripted.open_connections)
        assert (await client.identify(PERSON)).attempts == 1


async def test_put_is_not_reported_as_not_sent_if_no_new_connection_could_be_opened(listener: Listener) -> None:
    async with TrackClient(CREDENTIALS, listener.url, retry_policy=ONE_ATTEMPT) as client:
        await listener.respond_to(client.find_region())
        call = asyncio.create_task(client.identify(PERSON))
        await listener.receive_some()
        listener.close()
        with pytest.raises(RequestFailedError) as caught:
            await call
    assert caught.value.outcome_unknown


async def test_request_over_http2_counts_as_sent(listener: Listener) -> None:
    """httpcore reports it with another name than over HTTP/1.1."""
    policy = RetryPolicy(max_attempts=1, read_timeout=0.1)
    transport = httpx.AsyncHTTPTransport(http1=False, http2=True)
    async with TrackClient(CREDENTIALS, listener.url, retry_policy=policy, transport=transport) as client:
        with pytest.raises(RequestFailedError, match="ReadTimeout") as caught:
            await client.track(PERSON, "seen")
    assert listener.receive().startswith(b"PRI * HTTP/2.0")
    assert caught.value.outcome_unknown


@pytest.mark.parametrize(
    ("error", "is_unknown"),
    [
        (httpx.ReadTimeout, True),
        (httpx.WriteError, True),
        (httpx.RemoteProtocolError, True),
        (httpx.ConnectError, False),
        (httpx.ConnectTimeout, False),
        (httpx.PoolTimeout, False),
        (httpx.UnsupportedProtocol, False),
    ],
)
async def test_error_of_a_silent_transport_says_whether_the_request_was_sent(
    error: type[httpx.TransportError], is_unknown: bool
) -> None:
    async def fail(request: httpx.Request) -> httpx.Response:
        raise error("reason", request=request)

    transport = httpx.MockTransport(fail)
    async with TrackClient(CREDENTIALS, retry_policy=ONE_ATTEMPT, transport=transport) as client:
        with pytest.raises(RequestFailedError) as caught:
            await client.track(PERSON, "seen")
    assert caught.value.outcome_unknown is is_unknown


@pytest.mark.parametrize("transport", [name for name in TRANSPORTS if "pool" in name])
async def test_wait_for_a_connection_does_not_count_as_sent(scripted: ScriptedServer, transport: str) -> None:
    scripted.otherwise = hang
    carrier = TRANSPORTS[transport](scripted.url)
    async with TrackClient(CREDENTIALS, scripted.url, transport=carrier) as client, anyio.create_task_group() as tasks:
        for _ in range(MAX_CONNECTIONS):
            tasks.start_soon(client.track, PERSON, "seen")
        await eventually(lambda: len(scripted.requests) == MAX_CONNECTIONS)
        progress = Progress()
        call = asyncio.create_task(client.send(operations.find_region(), progress))
        await eventually(lambda: progress.attempts == 1)
        call.cancel()
        with suppress(asyncio.CancelledError):
            await call
        assert not progress.outcome_unknown
        tasks.cancel_scope.cancel()
