"""What is tried again, what is not, and what is told in the end."""

import logging
import re
import socket
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import anyio
import pytest

from customerio_track_mcp.track import (
    Credentials,
    Patience,
    RateLimitedError,
    RedirectedError,
    Region,
    RejectedError,
    RequestFailedError,
    TimeBudgetExceededError,
    TrackClient,
    UnauthorizedError,
    UnavailableError,
)
from tests.conftest import IMPATIENT
from tests.scripted import Act, ScriptedServer, answer, close, hang, reset

CREDENTIALS = Credentials("site-id", "api-key-of-the-workspace")


async def failure_of(client: TrackClient) -> RequestFailedError:
    with pytest.raises(RequestFailedError) as caught:
        await client.track("42", "seen")
    return caught.value


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504, 599])
async def test_passing_failures_are_tried_again_with_the_same_ulid(scripted: ScriptedServer, status: int) -> None:
    scripted.acts = [answer(status, ""), answer(status, "<html>busy</html>", "text/html")]
    async with TrackClient(CREDENTIALS, scripted.url, patience=IMPATIENT) as client:
        receipt = await client.track("42", "seen")
    assert receipt.attempts == 3
    assert [request.json["id"] for request in scripted.requests] == [receipt.event_id] * 3


@pytest.mark.parametrize("broken", [reset, close])
async def test_a_broken_connection_is_tried_again_with_the_same_ulid(scripted: ScriptedServer, broken: Act) -> None:
    scripted.acts = [broken]
    async with TrackClient(CREDENTIALS, scripted.url, patience=IMPATIENT) as client:
        receipt = await client.track("42", "seen")
    assert receipt.attempts == 2
    assert [request.json["id"] for request in scripted.requests] == [receipt.event_id] * 2


async def test_a_time_out_is_tried_again(scripted: ScriptedServer) -> None:
    scripted.acts = [hang]
    patience = Patience(read_timeout=0.2, first_backoff=0.001)
    async with TrackClient(CREDENTIALS, scripted.url, patience=patience) as client:
        receipt = await client.track("42", "seen")
    assert receipt.attempts >= 2
    assert {request.json["id"] for request in scripted.requests} == {receipt.event_id}


@pytest.mark.parametrize("status", [400, 402, 403, 404, 405, 409, 413, 422])
async def test_a_rejection_is_final(scripted: ScriptedServer, status: int) -> None:
    scripted.acts = [answer(status, '{"meta": {"errors": ["no such segment", "nor person"]}}')]
    async with TrackClient(CREDENTIALS, scripted.url, patience=IMPATIENT) as client:
        error = await failure_of(client)
    assert isinstance(error, RejectedError)
    assert (error.status, error.attempts, error.outcome_unknown) == (status, 1, False)
    assert "no such segment; nor person" in str(error)
    assert len(scripted.requests) == 1


async def test_attempts_are_bounded_and_the_last_failure_is_told(scripted: ScriptedServer) -> None:
    scripted.acts = [answer(503, "")] * 9
    async with TrackClient(CREDENTIALS, scripted.url, patience=IMPATIENT) as client:
        error = await failure_of(client)
    assert isinstance(error, UnavailableError)
    assert (error.status, error.attempts, error.outcome_unknown) == (503, 4, True)
    assert error.event_id == scripted.requests[0].json["id"]
    assert len(scripted.requests) == 4


async def test_no_connection_leaves_no_doubt() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        free_port = listener.getsockname()[1]
    async with TrackClient(CREDENTIALS, f"http://127.0.0.1:{free_port}", patience=IMPATIENT) as client:
        error = await failure_of(client)
    assert isinstance(error, UnavailableError)
    assert (error.status, error.attempts, error.outcome_unknown) == (None, 4, False)


async def test_one_lost_reply_leaves_a_doubt_whatever_comes_after(scripted: ScriptedServer) -> None:
    scripted.acts = [reset, answer(400, "{}")]
    async with TrackClient(CREDENTIALS, scripted.url, patience=IMPATIENT) as client:
        error = await failure_of(client)
    assert isinstance(error, RejectedError)
    assert error.outcome_unknown


async def test_retry_after_in_seconds_is_waited_for(scripted: ScriptedServer, caplog: pytest.LogCaptureFixture) -> None:
    scripted.acts = [answer(429, "{}", Retry_After="1")]
    with caplog.at_level(logging.WARNING):
        async with TrackClient(CREDENTIALS, scripted.url, patience=IMPATIENT) as client:
            await client.track("42", "seen")
    (record,) = caplog.records
    told = {name: vars(record)[name] for name in ("msg", "attempt", "error", "status", "next_in_s")}
    assert told == {
        "msg": "attempt failed",
        "attempt": 1,
        "error": "RateLimitedError",
        "status": 429,
        "next_in_s": 1.0,
    }


@pytest.mark.parametrize(
    ("retry_after", "least", "most"),
    [
        ("600", 600, 600),
        ("9" * 30, 10**29, 10**31),
        ("in two hours, GMT", 7000, 7200),
        ("in two hours, -0000", 7000, 7200),
    ],
)
async def test_a_retry_after_beyond_the_time_budget_ends_the_call_at_once(
    scripted: ScriptedServer, retry_after: str, least: float, most: float
) -> None:
    in_two_hours = datetime.now(UTC) + timedelta(hours=2)
    dates = {
        "in two hours, GMT": format_datetime(in_two_hours, usegmt=True),
        "in two hours, -0000": in_two_hours.strftime("%a, %d %b %Y %H:%M:%S -0000"),
    }
    scripted.acts = [answer(429, "{}", Retry_After=dates.get(retry_after, retry_after))] * 4
    async with TrackClient(CREDENTIALS, scripted.url, patience=IMPATIENT) as client:
        error = await failure_of(client)
    assert isinstance(error, RateLimitedError)
    assert error.attempts == 1
    assert error.retry_after is not None
    assert least <= error.retry_after <= most


@pytest.mark.parametrize(
    "retry_after", ["soon", "-1", "", "0", "Wed, 21 Oct 2015 07:28:00 GMT", "Mon, 16 Nov 2009 13:32:02 +99999999999999"]
)
async def test_a_retry_after_that_asks_for_nothing_does_not_disturb(scripted: ScriptedServer, retry_after: str) -> None:
    scripted.acts = [answer(503, "{}", Retry_After=retry_after)]
    async with TrackClient(CREDENTIALS, scripted.url, patience=IMPATIENT) as client:
        assert (await client.track("42", "seen")).attempts == 2


@pytest.mark.parametrize(
    ("location", "region"),
    [
        ("https://track-eu.customer.io/api/v1/customers/42/events", Region.EU),
        ("https://track.customer.io/", Region.US),
        ("https://elsewhere.example/login", None),
        ("http://[broken", None),
        ("https://xn--a/", None),
        ("/relative", None),
    ],
)
async def test_a_redirect_is_not_followed_and_names_the_region(
    scripted: ScriptedServer, location: str, region: Region | None
) -> None:
    scripted.acts = [answer(307, "", Location=location)]
    async with TrackClient(CREDENTIALS, scripted.url, patience=IMPATIENT) as client:
        error = await failure_of(client)
    assert isinstance(error, RedirectedError)
    assert error.region == region
    assert len(scripted.requests) == 1


async def test_401_is_final(scripted: ScriptedServer) -> None:
    scripted.acts = [answer(401, '{"meta": {"error": "Unauthorized request"}}')]
    async with TrackClient(CREDENTIALS, scripted.url, patience=IMPATIENT) as client:
        error = await failure_of(client)
    assert isinstance(error, UnauthorizedError)
    assert "Unauthorized request" in str(error)
    assert len(scripted.requests) == 1


@pytest.mark.parametrize("body", ["<html>Welcome to the hotel's network</html>", "[]", '"ok"', "[" * 100_000])
async def test_a_200_that_does_not_come_from_the_track_api_confirms_nothing(
    scripted: ScriptedServer, body: str
) -> None:
    scripted.acts = [answer(200, body, "text/html")]
    async with TrackClient(CREDENTIALS, scripted.url, patience=IMPATIENT) as client:
        error = await failure_of(client)
    assert isinstance(error, RejectedError)
    assert error.outcome_unknown
    assert "hotel" not in str(error)


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ('{"meta": {"errors": ["one", "two"]}}', ": one; two)"),
        ('{"meta": {"error": "alone"}}', ": alone)"),
        ('{"meta": {"error": "line\\nbreak \\u001b[31m"}}', ": line break �[31m)"),
        ('{"meta": {"error": "' + "x" * 5000 + '"}}', "x…)"),
        ("<html>secret page</html>", "(400)"),
        ('{"meta": "odd"}', "(400)"),
        ('{"meta": {"errors": []}}', "(400)"),
        ("[1]", "(400)"),
    ],
)
async def test_the_vendors_words_are_passed_on_short_and_html_is_not(
    scripted: ScriptedServer, body: str, told: str
) -> None:
    scripted.acts = [answer(400, body)]
    async with TrackClient(CREDENTIALS, scripted.url, patience=IMPATIENT) as client:
        error = await failure_of(client)
    assert told in str(error)
    assert len(str(error)) < 400


async def test_credentials_that_come_back_in_an_error_are_taken_out(scripted: ScriptedServer) -> None:
    token = "c2l0ZS1pZDphcGkta2V5LW9mLXRoZS13b3Jrc3BhY2U="
    scripted.acts = [answer(400, f'{{"meta": {{"error": "bad {token} or api-key-of-the-workspace"}}}}')]
    async with TrackClient(CREDENTIALS, scripted.url, patience=IMPATIENT) as client:
        error = await failure_of(client)
    assert scripted.requests[0].headers["authorization"] == f"Basic {token}"
    assert "bad [credentials] or [credentials]" in str(error)


async def test_the_time_budget_ends_an_attempt_and_says_what_is_unknown(scripted: ScriptedServer) -> None:
    scripted.acts = [answer(503, ""), hang]
    patience = Patience(time_budget=0.3, first_backoff=0.001)
    async with TrackClient(CREDENTIALS, scripted.url, patience=patience) as client:
        error = await failure_of(client)
    assert isinstance(error, TimeBudgetExceededError)
    assert (error.attempts, error.outcome_unknown) == (2, True)
    assert error.event_id == scripted.requests[1].json["id"]
    assert re.search(r"0\.3 seconds ran out after 2 attempts; before that .*503", str(error))


async def test_waiting_for_the_rate_budget_counts_against_the_time_budget(scripted: ScriptedServer) -> None:
    patience = Patience(time_budget=0.2)
    async with TrackClient(CREDENTIALS, scripted.url, requests_per_second=0.1, patience=patience) as client:
        assert (await client.track("42", "seen")).attempts == 1
        error = await failure_of(client)
    assert isinstance(error, TimeBudgetExceededError)
    assert (error.attempts, error.outcome_unknown) == (0, False)
    assert "before anything was sent" in str(error)
    assert len(scripted.requests) == 1


async def test_the_rate_budget_holds_calls_back(scripted: ScriptedServer) -> None:
    """Of 40 calls at once only those within the budget of 5 a second are sent before the time budget ends."""
    failures: list[RequestFailedError] = []
    async with TrackClient(
        CREDENTIALS, scripted.url, requests_per_second=5, patience=Patience(time_budget=0.3)
    ) as client:

        async def call() -> None:
            try:
                await client.track("42", "seen")
            except RequestFailedError as error:
                failures.append(error)

        async with anyio.create_task_group() as tasks:
            for _ in range(40):
                tasks.start_soon(call)
    assert 1 <= len(scripted.requests) < 20
    assert len(failures) == 40 - len(scripted.requests)


async def test_pauses_double_and_vary(scripted: ScriptedServer, caplog: pytest.LogCaptureFixture) -> None:
    pauses: list[list[float]] = []
    patience = Patience(first_backoff=0.1)
    async with TrackClient(CREDENTIALS, scripted.url, patience=patience) as client:
        for _ in range(2):
            scripted.acts = [answer(503, "")] * 3
            caplog.clear()
            with caplog.at_level(logging.WARNING):
                await client.track("42", "seen")
            pauses.append([vars(record)["next_in_s"] for record in caplog.records])
    for first, second, third in pauses:
        assert 0.1 <= first <= 0.2 <= second <= 0.3
        assert 0.4 <= third <= 0.5
    assert pauses[0] != pauses[1]


async def test_a_connection_that_is_not_accepted_times_out() -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        port = listener.getsockname()[1]
        with socket.create_connection(("127.0.0.1", port)):  # fills the backlog, so that nobody else gets in
            patience = Patience(connect_timeout=0.05, max_attempts=1)
            async with TrackClient(CREDENTIALS, f"http://127.0.0.1:{port}", patience=patience) as client:
                error = await failure_of(client)
    assert isinstance(error, UnavailableError)
    assert "ConnectTimeout" in str(error)
    assert not error.outcome_unknown


async def test_a_pool_without_a_free_connection_times_out(scripted: ScriptedServer) -> None:
    scripted.acts = [hang]
    patience = Patience(pool_timeout=0.05, max_attempts=1)
    async with (
        TrackClient(CREDENTIALS, scripted.url, max_connections=1, patience=patience) as client,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(client.track, "42", "held")
        await scripted.received.wait()
        error = await failure_of(client)
        tasks.cancel_scope.cancel()
    assert "PoolTimeout" in str(error)
    assert not error.outcome_unknown


async def test_a_confirmed_event_is_answered_with_its_ulid(scripted: ScriptedServer) -> None:
    async with TrackClient(CREDENTIALS, scripted.url) as client:
        receipt = await client.track("42", "seen")
    assert receipt.event_id == scripted.requests[0].json["id"]


async def test_cancelling_a_call_closes_its_connection_at_once(scripted: ScriptedServer) -> None:
    scripted.acts = [hang]
    async with TrackClient(CREDENTIALS, scripted.url) as client:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(client.track, "42", "seen")
            await scripted.received.wait()
            tasks.cancel_scope.cancel()
        with anyio.fail_after(5):
            await scripted.client_left.wait()
        assert (await client.track("42", "seen again")).attempts == 1
    assert len(scripted.requests) == 2


@pytest.mark.parametrize("act", [hang, close])
async def test_what_a_proxy_did_not_let_through_was_not_sent(
    scripted: ScriptedServer, monkeypatch: pytest.MonkeyPatch, act: Act
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", scripted.url)
    scripted.acts = [act]
    patience = Patience(time_budget=0.3, max_attempts=1)
    async with TrackClient(CREDENTIALS, "https://track.example.invalid", patience=patience) as client:
        error = await failure_of(client)
    assert [request.line for request in scripted.requests] == ["CONNECT track.example.invalid:443 HTTP/1.1"]
    assert not error.outcome_unknown
