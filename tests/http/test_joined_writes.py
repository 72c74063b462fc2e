"""The head of a response and its body are written at once."""

from __future__ import annotations

import asyncio
from asyncio.selector_events import _SelectorSocketTransport  # type: ignore[attr-defined]

import pytest

from customerio_track_mcp.sandbox import RunningSandbox
from tests.support.http_service import PING, connect, read_until_closed, running_service
from tests.support.raw_messages import MODERN, event, headers_of, raw_call


@pytest.fixture
def writes(monkeypatch: pytest.MonkeyPatch) -> list[bytes]:
    """What is written to any connection, in the order of the writes."""
    written: list[bytes] = []
    write = _SelectorSocketTransport.write

    def record(transport: asyncio.WriteTransport, data: bytes) -> None:
        written.append(bytes(data))
        write(transport, data)

    monkeypatch.setattr(_SelectorSocketTransport, "write", record)
    return written


async def test_head_and_body_are_one_write(sandbox: RunningSandbox, writes: list[bytes]) -> None:
    async with running_service(sandbox.url) as http:
        call = raw_call(MODERN, event())
        for method, path, arguments in (
            ("POST", "/mcp", {"json": PING}),
            ("POST", "/mcp", {"content": call, "headers": headers_of(MODERN)}),
            ("POST", "/mcp", {"content": call}),  # without the headers of that protocol
        ):
            writes.clear()
            response = await http.request(method, path, **arguments)
            (joined,) = [data for data in writes if data.startswith(b"HTTP/1.1 ") and b"x-request-id" in data.lower()]
            assert joined.endswith(b"\r\n\r\n" + response.content)


@pytest.mark.parametrize("close", ["", "Connection: close\r\n"])
async def test_response_without_a_body_is_written(sandbox: RunningSandbox, close: str) -> None:
    async with running_service(sandbox.url) as http, await connect(http) as stream:
        await stream.send(f"HEAD /healthz HTTP/1.1\r\nHost: localhost\r\n{close}\r\n".encode())
        received = await stream.receive()
        if close:
            received += await read_until_closed(stream)
    assert received.startswith(b"HTTP/1.1 200")
    assert received.endswith(b"\r\n\r\n")
