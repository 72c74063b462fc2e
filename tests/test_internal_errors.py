"""Internal errors: a payload that says how far the request got, and a log line without anybody's data."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from mcp import Client

from customerio_track_mcp.mcp_server import create_mcp_server
from customerio_track_mcp.tools.handlers import ToolHandlers
from customerio_track_mcp.track import Credentials, Observer, RateLimiter, TrackClient
from tests.support.clients import FAST_RETRIES
from tests.support.scripted_server import ScriptedServer, respond

ARGUMENTS: dict[str, dict[str, Any]] = {
    "create_or_update_customer": {"customer_id": "1", "email": "ann@example.com"},
    "send_event": {"customer_id": "1", "event_name": "bought"},
    "add_customers_to_segment": {"segment_id": "1", "customer_ids": ["1"]},
}
SECRET = "ann@example.com"


class BrokenRateLimiter(RateLimiter):
    async def acquire(self) -> None:
        raise KeyError(SECRET)


class BrokenAttempt(Observer):
    """Raises at the beginning of the attempt with this number."""

    def __init__(self, number: int) -> None:
        self._number = number

    def attempting(self, request: Any, number: int) -> Any:
        if number == self._number:
            raise KeyError(SECRET)
        return super().attempting(request, number)


async def call(client: TrackClient, tool: str) -> str:
    """Call a tool, and return the error of its payload."""
    async with Client(create_mcp_server(ToolHandlers(client))) as mcp_client:
        result = await mcp_client.call_tool(tool, ARGUMENTS[tool])
    assert result.is_error
    error: str = result.structured_content["error"]
    assert "Internal error (KeyError): this is a bug in the server." in error
    assert "Do not call again; ask the user" in error
    assert SECRET not in error
    return error


@pytest.mark.parametrize("tool", ARGUMENTS)
@pytest.mark.parametrize("broken", ["parse_arguments", "_build", "explain"])
async def test_internal_error_before_anything_is_sent(
    client: TrackClient, monkeypatch: pytest.MonkeyPatch, tool: str, broken: str
) -> None:
    def fail(*_: object, **__: object) -> None:
        raise KeyError(SECRET)

    monkeypatch.setattr(f"customerio_track_mcp.tools.handlers.{broken}", fail)
    if broken == "explain":
        monkeypatch.setitem(ARGUMENTS, tool, {})
    assert (await call(client, tool)).startswith("Nothing was sent. ")


@pytest.mark.parametrize("tool", ARGUMENTS)
@pytest.mark.parametrize(
    "options", [{"rate_limiter": BrokenRateLimiter()}, {"observer": BrokenAttempt(1)}], ids=["wait", "attempt"]
)
async def test_internal_error_right_before_the_first_attempt(
    scripted: ScriptedServer, tool: str, options: dict[str, Any]
) -> None:
    async with TrackClient(Credentials("site", "key"), scripted.url, **options) as client:
        assert (await call(client, tool)).startswith("Nothing was sent. ")
    assert scripted.requests == []


@pytest.mark.parametrize(
    ("status", "outcome"),
    [(429, "The request was not carried out."), (503, "Whether the request was carried out is unknown.")],
)
async def test_internal_error_after_a_failed_attempt(scripted: ScriptedServer, status: int, outcome: str) -> None:
    scripted.acts = [respond(status, "")]
    async with TrackClient(
        Credentials("site", "key"), scripted.url, retry_policy=FAST_RETRIES, observer=BrokenAttempt(2)
    ) as client:
        error = await call(client, "send_event")
    assert "Nothing was sent" not in error
    assert outcome in error


async def test_internal_error_after_the_confirmation(client: TrackClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise KeyError(SECRET)

    monkeypatch.setattr("customerio_track_mcp.tools.handlers._on_attempt", fail)
    assert "The Track API had already confirmed the request." in await call(client, "send_event")


async def test_an_output_that_cannot_be_sent_is_an_internal_error_too(
    client: TrackClient, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    results: list[object] = []
    build = create_mcp_server.__globals__["_result"]

    def fail_once(output: Any, call: Any) -> Any:
        results.append(output)
        if len(results) == 1:
            raise KeyError(SECRET)
        return build(output, call)

    monkeypatch.setattr("customerio_track_mcp.mcp_server._result", fail_once)
    with caplog.at_level(logging.DEBUG, logger="customerio_track_mcp"):
        assert "The Track API had already confirmed the request." in await call(client, "send_event")
    (record,) = [record for record in caplog.records if record.name.startswith("customerio_track_mcp")]
    assert (record.getMessage(), vars(record)["error"]) == ("bug in a tool", "KeyError")
    assert SECRET not in caplog.text
