"""The timeout for a request's body."""

from __future__ import annotations

import logging

import pytest

from customerio_track_mcp.sandbox import RunningSandbox
from tests.support.http_service import PING, TOKEN, bearer, connect, read_until_closed, running_service
from tests.support.waiting import wait_until


async def test_slow_body_gets_408(sandbox: RunningSandbox) -> None:
    async with running_service(sandbox.url, body_timeout=0.2) as http, await connect(http) as stream:
        head = "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n"
        await stream.send(f"{head}{{".encode())
        response = await read_until_closed(stream)
        assert response.startswith(b"HTTP/1.1 408")
        assert (await http.post("/mcp", json=PING)).status_code == 200


@pytest.mark.parametrize("version", ["2025-11-25", "2026-07-28"])
async def test_client_that_leaves_during_the_body_is_not_logged(
    sandbox: RunningSandbox, version: str, caplog: pytest.LogCaptureFixture
) -> None:
    head = (
        f"POST /mcp HTTP/1.1\r\nHost: localhost\r\nMCP-Protocol-Version: {version}\r\n"
        f"Authorization: Bearer {TOKEN}\r\nContent-Type: application/json\r\nContent-Length: 500\r\n\r\n{{"
    )
    with caplog.at_level(logging.INFO):
        async with running_service(sandbox.url, tokens=f"ann {TOKEN} metrics:read", max_in_flight=1) as http:

            async def is_in_flight() -> bool:
                metrics = (await http.get("/metrics", headers=bearer(TOKEN))).text
                return "calls_in_flight 1.0" in metrics

            async def is_idle() -> bool:
                return not await is_in_flight()

            async with await connect(http) as stream:
                await stream.send(head.encode())
                await wait_until(is_in_flight)
            await wait_until(is_idle)
            assert (await http.post("/mcp", json=PING, headers=bearer(TOKEN))).status_code == 200
    assert [record.message for record in caplog.records if record.levelno >= logging.WARNING] == []
    assert "request refused" not in caplog.text
