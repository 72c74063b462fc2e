"""What is retried, how long a call may take, and what is known of the outcome."""

from __future__ import annotations

import logging
import re
import socket
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import httpx
import pytest

from customerio_track_mcp.track import (
    RateLimitedError,
    RejectedError,
    RetryPolicy,
    StoppedError,
    TimeBudgetExceededError,
    TrackClient,
    UnavailableError,
)
from tests.support.clients import FAST_RETRIES
from tests.support.scripted_server import Act, ScriptedServer, close, hang, reset, respond
from tests.track.failing_calls import CREDENTIALS, failure_of_identify, failure_of_track


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504, 599])
async def test_retries_reuse_the_event_id(scripted: ScriptedServer, status: int) -> None:
    scripted.acts = [respond(status, ""), respond(status, "<html>busy</html>", "text/html")]
    async with TrackClient(CREDENTIALS, scripted.url, retry_policy=FAST_RETRIES) as client:
        receipt = await client.track("42", "seen")
    assert receipt.attempts == 3
    assert [request.json["id"] for request in scripted.requests] == [receipt.event_id] * 3


@pytest.mark.parametrize("broken", [reset, close])
async def test_retry_after_a_connection_error_reuses_the_event_id(scripted: ScriptedServer, broken: Act) -> None:
    scripted.acts = [broken]
    async with TrackClient(CREDENTIALS, scripted.url, retry_policy=FAST_RETRIES) as client:
        receipt = await client.track("42", "seen")
    assert receipt.attempts == 2
    assert [request.json["id"] for request in scripted.requests] == [receipt.event_id] * 2


async def test_timeout_is_retried(scripted: ScriptedServer) -> None:
    scripted.acts = [hang]
    retry_policy = RetryPolicy(read_timeout=0.2, initial_backoff=0.001)
    async with TrackClient(CREDENTIALS, scripted.url, retry_policy=retry_policy) as client:
        receipt = await client.track("42", "seen")
    assert receipt.attempts >= 2
    assert {request.json["id"] for request in scripted.requests} == {receipt.event_id}


@pytest.mark.parametrize("status", [400, 402, 403, 404, 405, 409, 413, 422])
async def test_rejection_is_not_retried(scripted: ScriptedServer, status: int) -> None:
    scripted.acts = [respond(status, '{"meta": {"errors": ["no such segment", "nor person"]}}')]
    async with TrackClient(CREDENTIALS, scripted.url, retry_policy=FAST_RETRIES) as client:
        error = await failure_of_track(client)
    assert isinstance(error, RejectedError)
    assert (error.status, error.attempts, error.outcome_unknown) == (status, 1, False)
    assert "no such segment; nor person" in str(error)
    assert len(scripted.requests) == 1


async def test_last_failure_is_raised_after_the_maximum_of_attempts(scripted: ScriptedServer) -> None:
    scripted.acts = [respond(503, "")] * 9
    async with TrackClient(CREDENTIALS, scripted.url, retry_policy=FAST_RETRIES) as client:
        error = await failure_of_track(client)
    assert isinstance(error, UnavailableError)
    assert (error.status, error.attempts, error.outcome_unknown) == (503, 4, True)
    assert error.event_id == scripted.requests[0].json["id"]
    assert len(scripted.requests) == 4


async def test_outcome_is_known_without_a_connection() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        free_port = listener.getsockname()[1]
    async with TrackClient(CREDENTIALS, f"http://127.0.0.1:{free_port}", retry_policy=FAST_RETRIES) as client:
        error = await failure_of_track(client)
    assert isinstance(error, UnavailableError)
    assert (error.status, error.attempts, error.outcome_unknown) == (None, 4, False)


async def test_outcome_stays_unknown_if_a_retry_is_rejected(scripted: ScriptedServer) -> None:
    scripted.acts = [reset, respond(400, "{}")]
    async with TrackClient(CREDENTIALS, scripted.url, retry_policy=FAST_RETRIES) as client:
        error = await failure_of_track(client)
    assert isinstance(error, RejectedError)
    assert error.outcome_unknown


async def test_retry_after_in_seconds_delays_the_retry(
    scripted: ScriptedServer, caplog: pytest.LogCaptureFixture
) -> None:
    scripted.acts = [respond(429, "{}", Retry_After="1")]
    with caplog.at_level(logging.WARNING):
        async with TrackClient(CREDENTIALS, scripted.url, retry_policy=FAST_RETRIES) as client:
            await client.track("42", "seen")
    (record,) = caplog.records
    logged = {name: vars(record)[name] for name in ("msg", "attempt", "error", "status", "next_in_s")}
    assert logged == {
        "msg": "attempt failed",
        "attempt": 1,
        "error": "RateLimitedError",
        "status": 429,
        "next_in_s": 1.0,
    }


@pytest.mark.parametrize(
    ("retry_after", "at_least", "at_most"),
    [
        ("600", 600, 600),
        ("9" * 30, 10**29, 10**31),
        ("in two hours, GMT", 7000, 7200),
        ("in two hours, -0000", 7000, 7200),
    ],
)
async def test_retry_after_beyond_the_time_budget_prevents_the_retry(
    scripted: ScriptedServer, retry_after: str, at_least: float, at_most: float
) -> None:
    in_two_hours = datetime.now(UTC) + timedelta(hours=2)
    dates = {
        "in two hours, GMT": format_datetime(in_two_hours, usegmt=True),
        "in two hours, -0000": in_two_hours.strftime("%a, %d %b %Y %H:%M:%S -0000"),
    }
    scripted.acts = [respond(429, "{}", Retry_After=dates.get(retry_after, retry_after))] * 4
    async with TrackClient(CREDENTIALS, scripted.url, retry_policy=FAST_RETRIES) as client:
        error = await failure_of_track(client)
    assert isinstance(error, RateLimitedError)
    assert error.attempts == 1
    assert error.retry_after is not None
    assert at_least <= error.retry_after <= at_most


@pytest.mark.parametrize(
    "retry_after", ["soon", "-1", "", "0", "Wed, 21 Oct 2015 07:28:00 GMT", "Mon, 16 Nov 2009 13:32:02 +99999999999999"]
)
async def test_retry_after_that_is_invalid_or_over_is_ignored(scripted: ScriptedServer, retry_after: str) -> None:
    scripted.acts = [respond(503, "{}", Retry_After=retry_after)]
    async with TrackClient(CREDENTIALS, scripted.url, retry_policy=FAST_RETRIES) as client:
        assert (await client.track("42", "seen")).attempts == 2


async def test_time_budget_ends_an_attempt_and_the_outcome_is_reported(scripted: ScriptedServer) -> None:
    scripted.acts = [respond(503, ""), hang]
    retry_policy = RetryPolicy(time_budget=0.3, initial_backoff=0.001)
    async with TrackClient(CREDENTIALS, scripted.url, retry_policy=retry_policy) as client:
        error = await failure_of_track(client)
    assert isinstance(error, TimeBudgetExceededError)
    assert (error.attempts, error.outcome_unknown) == (2, True)
    assert error.event_id == scripted.requests[1].json["id"]
    assert re.search(r"0\.3 seconds was exceeded after 2 attempts; the last failure was: .*503", str(error))


async def test_time_budget_includes_the_wait_for_the_rate_limit(scripted: ScriptedServer) -> None:
    retry_policy = RetryPolicy(time_budget=0.2)
    async with TrackClient(CREDENTIALS, scripted.url, requests_per_second=0.1, retry_policy=retry_policy) as client:
        assert (await client.track("42", "seen")).attempts == 1
        error = await failure_of_track(client)
    assert isinstance(error, TimeBudgetExceededError)
    assert (error.attempts, error.outcome_unknown) == (0, False)
    assert "before anything was sent" in str(error)
    assert len(scripted.requests) == 1


async def test_backoff_doubles_and_varies(scripted: ScriptedServer, caplog: pytest.LogCaptureFixture) -> None:
    delays: list[list[float]] = []
    retry_policy = RetryPolicy(initial_backoff=0.1)
    async with TrackClient(CREDENTIALS, scripted.url, retry_policy=retry_policy) as client:
        for _ in range(2):
            scripted.acts = [respond(503, "")] * 3
            caplog.clear()
            with caplog.at_level(logging.WARNING):
                await client.track("42", "seen")
            delays.append([vars(record)["next_in_s"] for record in caplog.records])
    for first, second, third in delays:
        assert 0.1 <= first <= 0.2 <= second <= 0.3
        assert 0.4 <= third <= 0.5
    assert delays[0] != delays[1]


async def test_stop_during_a_failing_attempt_is_reported_as_a_stop() -> None:
    class StoppingTransport(httpx.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            client.stop()
            raise httpx.ConnectError("", request=request)

    async with TrackClient(CREDENTIALS, "http://127.0.0.1:1", transport=StoppingTransport()) as client:
        assert isinstance(await failure_of_identify(client), StoppedError)
