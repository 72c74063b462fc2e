"""The text of a failed result: what happened, whether it was carried out, what to do next."""

from __future__ import annotations

from typing import Any

import pytest

from customerio_track_mcp.sandbox import RunningSandbox
from customerio_track_mcp.tools.handlers import ToolHandlers
from customerio_track_mcp.track import Credentials, RetryPolicy, TrackClient
from tests.support.scripted_server import Act, ScriptedServer, reset, respond

ANN: dict[str, Any] = {"customer_id": "1", "email": "ann@example.com"}
EVENT: dict[str, Any] = {"customer_id": "1", "event_name": "bought"}


async def test_missing_site_id_is_reported_with_the_setting(sandbox: RunningSandbox) -> None:
    async with TrackClient(None, sandbox.url) as client:
        output = await ToolHandlers(client).send_event(EVENT)
    assert not output.success
    assert "CUSTOMERIO_SITE_ID" in str(output.error)
    assert (output.customer_id, output.event_name) == ("1", "bought")


@pytest.mark.parametrize(
    ("act", "phrases"),
    [
        (respond(401, "{}"), ["Tracking API key", "App API key is a different credential", "CUSTOMERIO_SITE_ID"]),
        (respond(307, "", Location="https://track-eu.customer.io/"), ["set CUSTOMERIO_REGION=EU"]),
        (respond(302, "", Location="https://elsewhere.example/"), ["customerio-track-mcp check"]),
        (
            respond(404, '{"meta": {"error": "segment not found"}}'),
            ['(404; Customer.io responded: "segment not found")', "must be a manual segment"],
        ),
        (respond(503, "", Retry_After="600"), ["unknown", "in 600 seconds; this is safe"]),
        (respond(503, "", Retry_After="9" * 30), ["in 86400 seconds"]),
        (
            respond(429, "{}", Retry_After="600"),
            ["was not carried out", "with the same arguments in 600 seconds"],
        ),
    ],
)
async def test_each_failure_says_what_to_do(
    scripted: ScriptedServer, scripted_handlers: ToolHandlers, act: Act, phrases: list[str]
) -> None:
    scripted.acts = [act]
    output = await scripted_handlers.add_customers_to_segment({"segment_id": "7", "customer_ids": ["1"]})
    assert not output.success
    for phrase in phrases:
        assert phrase in str(output.error)
    assert (output.segment_id, output.customer_count, output.id_type) == ("7", None, "id")


async def test_event_with_unknown_outcome_is_reported_with_its_id_and_must_not_be_resent(
    scripted: ScriptedServer, scripted_handlers: ToolHandlers
) -> None:
    scripted.acts = [reset] * 4
    output = await scripted_handlers.send_event(EVENT)
    assert not output.success
    (event_id,) = {request.json["id"] for request in scripted.requests}
    assert f"unknown (4 attempts). Its event id is {event_id}. Do not resend it yourself" in str(output.error)


@pytest.mark.parametrize("final", [respond(401, "{}"), respond(307, "", Location="https://track-eu.customer.io/")])
async def test_unknown_outcome_is_reported_even_if_a_retry_is_rejected(
    scripted: ScriptedServer, scripted_handlers: ToolHandlers, final: Act
) -> None:
    scripted.acts = [reset, final]
    output = await scripted_handlers.send_event(EVENT)
    assert f"Its event id is {scripted.requests[0].json['id']}. Do not resend it yourself" in str(output.error)
    assert "CUSTOMERIO_REGION" in str(output.error)


async def test_response_that_is_not_from_the_track_api_leaves_the_outcome_unknown(
    scripted: ScriptedServer, scripted_handlers: ToolHandlers
) -> None:
    scripted.acts = [respond(200, "<html>")]
    output = await scripted_handlers.create_or_update_customer(ANN)
    assert "Whether the request was carried out is unknown. Call again with the same arguments" in str(output.error)


async def test_update_with_unknown_outcome_may_be_repeated(
    scripted: ScriptedServer, scripted_handlers: ToolHandlers
) -> None:
    scripted.acts = [respond(503, "")] * 4
    output = await scripted_handlers.create_or_update_customer(ANN)
    assert "Call again with the same arguments in a minute; this is safe" in str(output.error)


async def test_event_that_was_never_sent_may_be_sent_again(scripted: ScriptedServer) -> None:
    async with TrackClient(
        Credentials("site", "key"), scripted.url, requests_per_second=0.1, retry_policy=RetryPolicy(time_budget=0.2)
    ) as client:
        handlers = ToolHandlers(client)
        assert (await handlers.send_event(EVENT)).success
        output = await handlers.send_event(EVENT)
    assert "before anything was sent. The request was not carried out. Call again" in str(output.error)
