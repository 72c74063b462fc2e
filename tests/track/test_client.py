"""The client's own interface: concurrent calls, receipts, other transports."""

from __future__ import annotations

import anyio
import httpx

from customerio_track_mcp.track import TrackClient
from tests.support.clients import FAST_RETRIES
from tests.support.scripted_server import ScriptedServer, respond
from tests.track.failing_calls import CREDENTIALS


async def test_concurrent_calls_all_arrive_with_different_event_ids(scripted: ScriptedServer) -> None:
    async with (
        TrackClient(CREDENTIALS, scripted.url, requests_per_second=100_000) as client,
        anyio.create_task_group() as tasks,
    ):
        for number in range(100):
            tasks.start_soon(client.track, str(number), "seen")
    assert len({request.json["id"] for request in scripted.requests}) == 100
    assert {request.target for request in scripted.requests} == {
        f"/api/v1/customers/{number}/events" for number in range(100)
    }


async def test_receipt_contains_the_event_id(scripted: ScriptedServer) -> None:
    async with TrackClient(CREDENTIALS, scripted.url) as client:
        receipt = await client.track("42", "seen")
    assert receipt.event_id == scripted.requests[0].json["id"]


async def test_requests_can_be_sent_over_another_transport(scripted: ScriptedServer) -> None:
    scripted.acts = [respond(503, ""), respond(200, "{}")]
    transport = httpx.AsyncHTTPTransport()
    async with TrackClient(
        CREDENTIALS, f"{scripted.url}/here", retry_policy=FAST_RETRIES, transport=transport
    ) as client:
        assert (await client.identify("a/b")).attempts == 2
    assert scripted.requests[1].line == "PUT /here/api/v1/customers/a%2Fb HTTP/1.1"
