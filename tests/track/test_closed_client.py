"""A closed client: no call is sent or retried, and calls in flight end with what is known of their outcome."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable

import anyio
import httpx
import pytest

from customerio_track_mcp.track import (
    ClosedError,
    InvalidArgumentsError,
    RequestFailedError,
    RetryPolicy,
    StoppedError,
    TrackClient,
    operations,
)
from tests.support.scripted_server import Act, ScriptedServer, hang, raw, respond, respond_when
from tests.track.failing_calls import CREDENTIALS, failure_of_track

Operation = Callable[[TrackClient], Awaitable[object]]
OPERATIONS: dict[str, Operation] = {
    "identify": lambda client: client.identify("42"),
    "track": lambda client: client.track("42", "seen"),
    "add_to_segment": lambda client: client.add_to_segment("1", ["42"]),
    "find_region": lambda client: client.find_region(),
    "send": lambda client: client.send(operations.identify("42")),
}
SLOW_RETRIES = RetryPolicy(initial_backoff=60, time_budget=600)


class RecordingTransport(httpx.AsyncBaseTransport):
    """Counts requests and how often it is closed."""

    def __init__(self) -> None:
        self.requests = 0
        self.closed = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.requests += 1
        return httpx.Response(200, content=b"{}", request=request)

    async def aclose(self) -> None:
        self.closed += 1


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("used", [True, False])
async def test_every_operation_of_a_closed_client_fails_at_once(
    scripted: ScriptedServer, operation: str, used: bool, caplog: pytest.LogCaptureFixture
) -> None:
    async with TrackClient(CREDENTIALS, scripted.url, retry_policy=SLOW_RETRIES) as client:
        if used:
            await client.find_region()
    sent = len(scripted.requests)
    with pytest.raises(ClosedError, match="the client is closed, and nothing was sent") as caught:
        await OPERATIONS[operation](client)
    error = caught.value
    assert (error.attempts, error.outcome_unknown, error.status, error.retryable) == (0, False, None, False)
    assert (error.event_id is not None) == (operation == "track")
    assert "Create a new TrackClient" in error.advice
    assert len(scripted.requests) == sent
    assert caplog.records == []


async def test_invalid_arguments_are_reported_first() -> None:
    """The error of an event then always has its id."""
    client = TrackClient(CREDENTIALS)
    await client.aclose()
    with pytest.raises(InvalidArgumentsError):
        await client.track("", "seen")


async def test_closed_client_without_credentials_is_reported_as_closed(scripted: ScriptedServer) -> None:
    client = TrackClient(None, scripted.url)
    await client.aclose()
    assert isinstance(await failure_of_track(client), ClosedError)


async def test_transport_of_the_program_gets_no_request_and_is_closed_once() -> None:
    transport = RecordingTransport()
    async with TrackClient(CREDENTIALS, transport=transport) as client:
        await client.identify("42")
    await client.aclose()
    assert isinstance(await failure_of_track(client), ClosedError)
    assert (transport.requests, transport.closed) == (1, 1)


async def test_closed_client_cannot_be_opened_again(scripted: ScriptedServer) -> None:
    client = TrackClient(CREDENTIALS, scripted.url)
    await client.aclose()
    with pytest.raises(ClosedError, match="the client is closed, and cannot be opened again"):
        await client.__aenter__()
    assert scripted.requests == []


async def test_closed_client_may_be_stopped_and_closed_again(scripted: ScriptedServer) -> None:
    client = TrackClient(CREDENTIALS, scripted.url)
    await client.find_region()
    await client.aclose()
    client.stop()
    await client.aclose()
    assert isinstance(await failure_of_track(client), ClosedError)


async def test_stopped_client_that_is_closed_is_reported_as_closed(scripted: ScriptedServer) -> None:
    client = TrackClient(CREDENTIALS, scripted.url)
    client.stop()
    assert isinstance(await failure_of_track(client), StoppedError)
    await client.aclose()
    assert isinstance(await failure_of_track(client), ClosedError)


async def failure_when_closed(
    client: TrackClient, is_in_flight: anyio.Event | asyncio.Event, *, stop_first: bool = False
) -> RequestFailedError:
    """Close the client once a call is in flight, and return the error of that call."""
    failures: list[RequestFailedError] = []

    async def call() -> None:
        failures.append(await failure_of_track(client))

    with anyio.fail_after(30):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(call)
            await is_in_flight.wait()
            if stop_first:
                client.stop()
            await client.aclose()
    (failure,) = failures
    return failure


@pytest.mark.parametrize("act", [hang, raw(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{")])
@pytest.mark.parametrize("transport", [None, httpx.AsyncHTTPTransport])
async def test_call_that_was_sent_ends_with_an_unknown_outcome(
    scripted: ScriptedServer, act: Act, transport: Callable[[], httpx.AsyncBaseTransport] | None
) -> None:
    scripted.acts = [act]
    client = TrackClient(
        CREDENTIALS, scripted.url, retry_policy=SLOW_RETRIES, transport=transport() if transport else None
    )
    error = await failure_when_closed(client, scripted.received)
    assert isinstance(error, ClosedError)
    assert str(error) == "the client was closed and ended the call after 1 attempt"
    assert (error.attempts, error.outcome_unknown) == (1, True)
    assert error.event_id == scripted.requests[0].json["id"]
    assert len(scripted.requests) == 1
    await scripted.client_left.wait()


async def test_call_that_waits_for_the_rate_limit_ends_without_being_sent(scripted: ScriptedServer) -> None:
    class Waiting:
        """A rate limit that is never free."""

        def __init__(self) -> None:
            self.started = anyio.Event()

        async def acquire(self) -> None:
            self.started.set()
            await anyio.sleep_forever()

    limiter = Waiting()
    client = TrackClient(CREDENTIALS, scripted.url, rate_limiter=limiter)
    error = await failure_when_closed(client, limiter.started)
    assert isinstance(error, ClosedError)
    assert str(error) == "the client was closed and ended the call before anything was sent"
    assert (error.attempts, error.outcome_unknown) == (0, False)
    assert scripted.requests == []


@pytest.mark.parametrize(("status", "is_unknown"), [(503, True), (429, False)])
async def test_call_that_waits_for_a_retry_keeps_what_is_known(
    scripted: ScriptedServer, status: int, is_unknown: bool
) -> None:
    failed = anyio.Event()

    class Notice(logging.Handler):
        """Notices the line with which the wait for a retry starts."""

        def emit(self, record: logging.LogRecord) -> None:
            del record
            failed.set()

    scripted.acts = [respond(status, "{}")]
    client = TrackClient(CREDENTIALS, scripted.url, retry_policy=SLOW_RETRIES)
    logger, notice = logging.getLogger("customerio_track_mcp.track"), Notice()
    logger.addHandler(notice)
    try:
        error = await failure_when_closed(client, failed)
    finally:
        logger.removeHandler(notice)
    assert isinstance(error, ClosedError)
    assert "after 1 attempt; the last failure was: " in str(error)
    assert str(status) in str(error)
    assert (error.attempts, error.outcome_unknown) == (1, is_unknown)
    assert len(scripted.requests) == 1


async def test_call_that_was_stopped_before_stays_stopped(scripted: ScriptedServer) -> None:
    scripted.acts = [hang]
    client = TrackClient(CREDENTIALS, scripted.url)
    error = await failure_when_closed(client, scripted.received, stop_first=True)
    assert isinstance(error, StoppedError)
    assert error.outcome_unknown


@pytest.mark.parametrize("attempts", [1, 2])
async def test_connection_that_closing_has_broken_is_reported_as_closed(attempts: int) -> None:
    class ClosingTransport(httpx.AsyncBaseTransport):
        """Closes the client during the last attempt, whose connection then fails."""

        def __init__(self) -> None:
            self.requests = 0

        async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
            self.requests += 1
            if self.requests < attempts:
                raise httpx.ConnectError("", request=request)
            await client.aclose()
            raise httpx.ReadError("", request=request)

    retry_policy = RetryPolicy(max_attempts=attempts, initial_backoff=0)
    client = TrackClient(CREDENTIALS, transport=ClosingTransport(), retry_policy=retry_policy)
    error = await failure_of_track(client)
    assert isinstance(error, ClosedError)
    assert error.attempts == attempts


@pytest.mark.parametrize("end", [TrackClient.aclose, TrackClient.stop])
async def test_call_whose_wait_ends_together_with_the_client_sends_nothing(
    end: Callable[[TrackClient], Awaitable[None] | None],
) -> None:
    class Ending:
        """A rate limit that is free in the moment in which the client ends."""

        async def acquire(self) -> None:
            if (ending := end(client)) is not None:
                await ending

    transport = RecordingTransport()
    client = TrackClient(CREDENTIALS, transport=transport, rate_limiter=Ending())
    error = await failure_of_track(client)
    assert isinstance(error, ClosedError if end is TrackClient.aclose else StoppedError)
    assert (error.attempts, error.outcome_unknown, transport.requests) == (0, False, 0)
    assert str(error).endswith("ended the call before anything was sent")


async def test_call_that_gets_a_connection_together_with_the_end_is_reported_as_closed(
    scripted: ScriptedServer,
) -> None:
    may_respond = anyio.Event()
    scripted.acts = [respond_when(may_respond)]
    client = TrackClient(CREDENTIALS, scripted.url, max_connections=1, retry_policy=SLOW_RETRIES)
    failures: list[RequestFailedError] = []

    async def call_and_close() -> None:
        await client.find_region()
        await client.aclose()

    async def call() -> None:
        failures.append(await failure_of_track(client))

    with anyio.fail_after(30):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(call_and_close)
            await scripted.received.wait()
            tasks.start_soon(call)
            await anyio.wait_all_tasks_blocked()
            may_respond.set()
    (error,) = failures
    assert isinstance(error, ClosedError)
    assert (error.outcome_unknown, len(scripted.requests)) == (False, 1)


@pytest.mark.parametrize("is_canceled", [True, False])
async def test_close_that_did_not_succeed_can_be_repeated(is_canceled: bool) -> None:
    class Failing(RecordingTransport):
        """Is closed by the second try."""

        async def aclose(self) -> None:
            await super().aclose()
            if self.closed == 1 and is_canceled:
                await anyio.sleep_forever()
            if self.closed == 1:
                raise OSError

    transport = Failing()
    client = TrackClient(CREDENTIALS, transport=transport)
    with anyio.move_on_after(0), contextlib.suppress(OSError):
        await client.aclose()
    for _ in range(2):
        await client.aclose()
    assert transport.closed == 2
