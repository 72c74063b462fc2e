"""Whether the result of a call was delivered, as its control learns it."""

from __future__ import annotations

import asyncio
import json
import socket
import struct
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager, suppress

import anyio
import anyio.lowlevel
import httpx
import pytest
from starlette.types import Message, Receive, Scope, Send

from customerio_track_mcp.control.pending_delivery import PendingDelivery
from customerio_track_mcp.http.middleware.delivery import DeliveryMiddleware
from tests.support.http_service import HEADERS, payload_in, running_service
from tests.support.probing import ProbingControl
from tests.support.raw_messages import LEGACY, MODERN, event, headers_of, raw_call
from tests.support.scripted_server import ScriptedServer

RESULT = json.dumps({"jsonrpc": "2.0", "id": 2, "result": {"content": []}}).encode()
ERROR = json.dumps({"jsonrpc": "2.0", "id": 2, "error": {"code": 0, "message": "result"}}).encode()
NOTIFICATION = json.dumps({"jsonrpc": "2.0", "method": "notifications/progress", "params": {"result": 1}}).encode()


class Service:
    """The service with a control that holds every event back.

    Attributes:
        http: a client of it.
        control: the control.
        settled: what was settled.
    """

    def __init__(self, http: httpx.AsyncClient, control: ProbingControl, settled: list[bool]) -> None:
        self.http = http
        self.control = control
        self.settled = settled

    @contextmanager
    def raw_client(self, version: str) -> Iterator[socket.socket]:
        """Connect, and send a call."""
        body = raw_call(version, event())
        headers = HEADERS | headers_of(version) | {"Host": "localhost", "Content-Length": str(len(body))}
        lines = ["POST /mcp HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
        with socket.create_connection(("127.0.0.1", self.http.base_url.port)) as client:
            client.sendall("\r\n".join(lines).encode() + body)
            yield client

    async def is_settled(self) -> None:
        """Wait until the two registrations of a call are settled."""
        with anyio.fail_after(20):
            while len(self.settled) < 2:
                await anyio.lowlevel.checkpoint()
        self.control.go.set()


@pytest.fixture
async def service(scripted: ScriptedServer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Service]:
    settled: list[bool] = []
    control = ProbingControl(lambda _, delivered: settled.append(delivered))
    control.use(monkeypatch)
    async with running_service(scripted.url) as http:
        yield Service(http, control, settled)


@pytest.mark.parametrize("close", ["", "close"])
@pytest.mark.parametrize("version", [LEGACY, MODERN])
async def test_result_that_was_written_is_delivered(service: Service, version: str, close: str) -> None:
    service.control.go.set()
    headers = headers_of(version) | ({"Connection": close} if close else {})
    response = await service.http.post("/mcp", content=raw_call(version, event()), headers=headers)
    assert payload_in(response)["success"]
    assert service.settled == [True, True]


@pytest.mark.parametrize("version", [LEGACY, MODERN])
async def test_result_that_follows_pings_is_delivered(
    service: Service, version: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The response is JSON unless the call takes longer than the interval of pings."""
    monkeypatch.setattr("customerio_track_mcp.http.middleware.event_stream.PING_SECONDS", 0.001)
    headers = headers_of(version)
    async with service.http.stream("POST", "/mcp", content=raw_call(version, event()), headers=headers) as response:
        chunks = response.aiter_text()
        assert (await anext(chunks)).startswith(": ping")
        assert service.settled == []
        service.control.go.set()
        assert '"success":true' in "".join([chunk async for chunk in chunks])
    assert service.settled == [True, True]


def reset(client: socket.socket) -> None:
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


def close_for_writing(client: socket.socket) -> None:
    client.shutdown(socket.SHUT_WR)


@pytest.mark.parametrize("leave", [socket.socket.close, reset, close_for_writing])
@pytest.mark.parametrize("version", [LEGACY, MODERN])
@pytest.mark.parametrize("at_once", [True, False])
async def test_result_for_a_client_that_has_left_is_not_delivered(
    service: Service, version: str, leave: Callable[[socket.socket], None], *, at_once: bool
) -> None:
    """The event loop may not have seen it yet (`at_once`); the system has."""
    with service.raw_client(version) as client:
        await service.control.started.wait()
        leave(client)
        if at_once:
            service.control.go.set()
        await service.is_settled()
    assert service.settled == [False, False]


@pytest.mark.parametrize("version", [LEGACY, MODERN])
async def test_client_that_leaves_with_the_result_has_received_it(service: Service, version: str) -> None:
    """The SDK's client closes the connection when it has the event with the response, before the stream ends."""
    with service.raw_client(version) as client:
        await service.control.started.wait()
        service.control.go.set()
        client.setblocking(False)
        received = b""
        while b'"success":true' not in received:
            received += await asyncio.get_running_loop().sock_recv(client, 65_536)
    await service.is_settled()
    assert service.settled == [True, True]


@pytest.mark.parametrize("version", [LEGACY, MODERN])
async def test_call_that_is_not_registered_changes_nothing(service: Service, version: str) -> None:
    call = raw_call(version, '{"customer_id":"1","email":"ann@example.com"}', tool="create_or_update_customer")
    for _ in range(2):
        headers = headers_of(version, tool="create_or_update_customer")
        response = await service.http.post("/mcp", content=call, headers=headers)
        assert payload_in(response)["success"]
    assert service.settled == []


async def settled_by(*parts: bytes, complete: bool = True, error: type[BaseException] | None = None) -> list[bool]:
    """Return what is settled by a response with these parts.

    Args:
        parts: the parts.
        complete: whether the last one is sent as such.
        error: what `send` raises for the last part.
    """
    settled: list[bool] = []
    sent: list[Message] = []

    async def respond(scope: Scope, receive: Receive, send: Send) -> None:
        del receive
        scope["state"]["delivery"].when_settled(settled.append)
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for number, part in enumerate(parts, start=1):
            await send({"type": "http.response.body", "body": part, "more_body": number < len(parts) or not complete})

    async def receive() -> Message:
        raise NotImplementedError

    async def send(message: Message) -> None:
        sent.append(message)
        if error is not None and message.get("body") == parts[-1]:
            raise error

    with suppress(error or NotImplementedError):
        await DeliveryMiddleware(respond)({"type": "http"}, receive, send)
    bodies = [message.get("body") for message in sent if message.get("body")]
    assert bodies == [part for part in parts if part]
    if parts and error is None:
        assert [message.get("more_body", False) for message in sent if "body" in message][-1] is not complete
    return settled


@pytest.mark.parametrize(
    ("parts", "delivered"),
    [
        ([RESULT], True),
        ([RESULT, b""], True),
        ([json.dumps(json.loads(RESULT), separators=(",", ":")).encode()], True),
        ([b'{"result":{},"jsonrpc":"2.0","id":2}'], True),
        ([ERROR], False),
        ([ERROR, b""], False),
        ([NOTIFICATION], False),
        ([b"[]"], False),
        ([b"2"], False),
        ([b"Internal Server Error"], False),
        ([], False),
    ],
)
async def test_only_a_response_with_a_result_counts(parts: list[bytes], delivered: bool) -> None:
    assert await settled_by(*parts) == [delivered]
    assert await settled_by(*parts, complete=False) == [delivered]


@pytest.mark.parametrize("is_seen", [True, False])
async def test_client_that_leaves_while_its_result_is_sent_receives_nothing(is_seen: bool) -> None:
    """Whether the event loop has seen it (`is_seen`), and so closed the socket, or not."""
    ours, theirs = socket.socketpair()
    transport, _ = await asyncio.get_running_loop().create_connection(asyncio.Protocol, sock=ours)
    settled: list[bool] = []
    sent: list[bytes] = []

    async def respond(scope: Scope, receive: Receive, send: Send) -> None:
        del receive
        scope["state"]["delivery"].when_settled(settled.append)
        theirs.close()
        while is_seen and ours.fileno() >= 0:
            await anyio.lowlevel.checkpoint()
        await send({"type": "http.response.body", "body": RESULT})

    async def receive() -> Message:
        raise NotImplementedError

    async def send(message: Message) -> None:
        sent.append(message["body"])

    scope = {"type": "http", "state": {"transport": transport}}
    await DeliveryMiddleware(respond)(scope, receive, send)
    assert (settled, sent) == ([False], [RESULT, b""])
    transport.close()


@pytest.mark.parametrize("error", [OSError, RuntimeError, asyncio.CancelledError])
async def test_result_that_cannot_be_sent_is_not_delivered(error: type[BaseException]) -> None:
    assert await settled_by(RESULT, error=error) == [False]


async def test_registration_after_the_end_is_settled_at_once() -> None:
    """A call may still run when its connection is closed."""
    delivery = PendingDelivery()
    settled: list[bool] = []
    delivery.when_settled(settled.append)
    delivery.settle(False)
    delivery.settle(True)
    delivery.when_settled(settled.append)
    assert settled == [False, False]
