"""A queue stores the id of an event and repeats it: the sandbox, like the real API, records it once."""

from __future__ import annotations

import time
from typing import Any

import pytest

from customerio_track_mcp.sandbox import RunningSandbox
from customerio_track_mcp.track import (
    Credentials,
    RequestFailedError,
    RetryPolicy,
    TrackClient,
    new_event_id,
    operations,
)
from tests.track.failing_calls import ONE_ATTEMPT

PURCHASE: dict[str, Any] = {"data": {"total": 49.9}}


def client_of(sandbox: RunningSandbox, retry_policy: RetryPolicy = ONE_ATTEMPT) -> TrackClient:
    return TrackClient(Credentials(sandbox.site_id, sandbox.api_key), sandbox.url, retry_policy=retry_policy)


@pytest.fixture(autouse=True)
async def _ann(sandbox: RunningSandbox) -> None:
    async with client_of(sandbox) as client:
        await client.identify("1042", email="ann@example.com")


@pytest.mark.parametrize("timestamp", [None, 1_700_000_000])
async def test_event_is_recorded_once_after_a_lost_response(sandbox: RunningSandbox, timestamp: int | None) -> None:
    event_id = new_event_id()
    sandbox.lose_reply()
    async with client_of(sandbox) as client:
        with pytest.raises(RequestFailedError) as caught:
            await client.track("1042", "purchase", **PURCHASE, event_id=event_id, timestamp=timestamp)
    assert (caught.value.outcome_unknown, caught.value.event_id) == (True, event_id)
    async with client_of(sandbox) as later:
        receipt = await later.track("1042", "purchase", **PURCHASE, event_id=event_id, timestamp=timestamp)
    assert receipt.event_id == event_id
    (event,) = sandbox.events
    assert (event.id, event.name, event.data) == (event_id, "purchase", {"total": 49.9})
    assert sandbox.dropped == ()


async def test_event_is_recorded_by_the_repetition_if_the_first_attempt_was_not_carried_out(
    sandbox: RunningSandbox,
) -> None:
    request = operations.track("1042", "purchase", **PURCHASE)
    sandbox.fail_next(503)
    async with client_of(sandbox) as client:
        with pytest.raises(RequestFailedError):
            await client.send(request)
        assert not sandbox.events
        await client.track("1042", "purchase", **PURCHASE, event_id=request.event_id)
        await client.send(request)
    assert [event.id for event in sandbox.events] == [request.event_id]
    assert sandbox.dropped == ()


async def test_same_event_with_two_ids_is_recorded_twice(sandbox: RunningSandbox) -> None:
    async with client_of(sandbox) as client:
        for _ in range(2):
            await client.track("1042", "purchase", **PURCHASE, event_id=new_event_id())
    assert len(sandbox.events) == 2


@pytest.mark.parametrize("other", [{"data": {"total": 50}}, {**PURCHASE, "timestamp": 1_700_000_001}])
async def test_another_event_with_the_same_id_is_dropped(sandbox: RunningSandbox, other: dict[str, Any]) -> None:
    event_id = new_event_id()
    async with client_of(sandbox) as client:
        await client.track("1042", "purchase", **PURCHASE, event_id=event_id, timestamp=1_700_000_000)
        await client.track("1042", "purchase", **other, event_id=event_id)
    (event,) = sandbox.events
    assert (event.timestamp, event.data) == (1_700_000_000, {"total": 49.9})
    (dropped,) = sandbox.dropped
    assert event_id in dropped.reason


async def test_backfilled_event_has_its_own_time(sandbox: RunningSandbox) -> None:
    before = int(time.time())
    async with client_of(sandbox) as client:
        await client.track("1042", "purchase", timestamp=1_700_000_000)
        await client.track("1042", "purchase")
    backfilled, current = sandbox.events
    assert backfilled.timestamp == 1_700_000_000
    assert current.timestamp >= before
