"""The sandbox's own endpoints: the page and live changes."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator

import httpx
import pytest


async def next_message(lines: AsyncIterator[str]) -> tuple[str, dict[str, object]]:
    name = ""
    async for line in lines:
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        if line.startswith("data: "):
            return name, json.loads(line.removeprefix("data: "))
    raise AssertionError("the stream ended")


async def test_stream_sends_the_state_and_then_each_change(http: httpx.AsyncClient) -> None:
    async with http.stream("GET", "/_sandbox/changes") as stream:
        assert stream.headers["content-type"] == "text/event-stream"
        assert "access-control-allow-origin" not in stream.headers
        lines = stream.aiter_lines()
        name, state = await next_message(lines)
        assert (name, state["people"], state["kept"], state["stored"]) == ("state", [], 10_000, False)
        await http.put("/api/v1/customers/1", json={"email": "ann@example.com"})
        kinds = [(await next_message(lines))[1]["kind"] for _ in range(2)]
        assert kinds == ["person", "request"]
        await http.post("/_sandbox/faults", json={"kind": "status", "status": 503})
        assert await next_message(lines) == ("faults", {"faults_waiting": 1})
        await http.post("/_sandbox/reset")
        assert await next_message(lines) == ("faults", {"faults_waiting": 0})
        name, state = await next_message(lines)
        assert (name, state["people"], state["faults_waiting"], state["requests"]) == ("state", [], 0, 0)


@pytest.mark.parametrize("path", ["/", "/page.css", "/page.js"])
async def test_page_loads_nothing_from_other_hosts(http: httpx.AsyncClient, path: str) -> None:
    response = await http.get(path)
    assert response.status_code == 200
    assert "default-src 'none'" in response.headers["content-security-policy"]
    assert "http://" not in response.text
    assert "https://" not in response.text
