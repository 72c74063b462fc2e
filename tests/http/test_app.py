"""Routes, the limit on a request's body, and malformed requests."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import pytest

from customerio_track_mcp.sandbox import RunningSandbox
from tests.support.http_service import HEADERS, PING, call, payload_in, running_service


async def test_body_over_the_limit_gets_413_before_it_is_complete(sandbox: RunningSandbox) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b" " * 1024

    async with running_service(sandbox.url, max_body_bytes=4096) as http:
        with_length = await http.post("/mcp", content=b" " * 5000)
        chunked = await http.post("/mcp", content=chunks())
        assert [with_length.status_code, chunked.status_code] == [413, 413]
        assert (await http.post("/mcp", json=PING)).status_code == 200


async def test_largest_call_that_the_track_api_accepts_is_served(sandbox: RunningSandbox) -> None:
    attributes = {f"a{number}" + "ä" * 70: "ä" * 450 for number in range(298)}
    async with running_service(sandbox.url) as http:
        arguments = {"customer_id": "1", "email": "ann@example.com", "attributes": attributes}
        # As many clients write JSON: each character beyond ASCII as an escape of six characters.
        body = json.dumps(call("create_or_update_customer", **arguments))
        response = await http.post("/mcp", content=body)
    assert payload_in(response)["success"]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b"null",
        b"7",
        b'"text"',
        b"\xff\xfe\x00",
        b'{"jsonrpc": "2.0"}',
        b'{"jsonrpc": "1.0", "id": 1, "method": "ping"}',
        b'[{"jsonrpc": "2.0", "id": 1, "method": "ping"}]',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"jsonrpc": "2.0", "id": ' + b"9" * 10_000 + b', "method": "ping"}',
        b'{"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "secret@example.com" }',
    ],
)
@pytest.mark.parametrize("version", ["2025-11-25", "2026-07-28"])
async def test_malformed_body_gets_400_and_is_not_logged(
    sandbox: RunningSandbox, body: bytes, version: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with running_service(sandbox.url) as http:
        response = await http.post("/mcp", content=body, headers={"MCP-Protocol-Version": version})
        assert response.status_code == 400
        assert "Traceback" not in response.text + caplog.text
        assert "secret@example.com" not in caplog.text
        assert (await http.post("/mcp", json=PING)).status_code == 200


@pytest.mark.parametrize(("headers", "status"), [({"Content-Type": "text/plain"}, 400), ({"Accept": "text/html"}, 406)])
async def test_unsupported_media_types_are_rejected(
    sandbox: RunningSandbox, headers: dict[str, str], status: int
) -> None:
    async with running_service(sandbox.url) as http:
        assert (await http.post("/mcp", json=PING, headers=HEADERS | headers)).status_code == status


async def test_trailing_slash_is_not_redirected_to_the_requested_hostname(sandbox: RunningSandbox) -> None:
    async with running_service(sandbox.url) as http:
        response = await http.post("/mcp/", json=PING, headers={"Host": "evil.example"})
    assert response.status_code == 404
