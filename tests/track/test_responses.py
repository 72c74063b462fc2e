"""What each response of the Track API means, and what of its text is reported."""

from __future__ import annotations

import pytest

from customerio_track_mcp.track import (
    Credentials,
    InterceptedError,
    RedirectedError,
    Region,
    TrackClient,
    UnauthorizedError,
)
from tests.support.clients import FAST_RETRIES
from tests.support.scripted_server import ScriptedServer, respond
from tests.track.failing_calls import CREDENTIALS, failure_of_track


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
async def test_redirect_is_not_followed_and_its_region_is_reported(
    scripted: ScriptedServer, location: str, region: Region | None
) -> None:
    scripted.acts = [respond(307, "", Location=location)]
    async with TrackClient(CREDENTIALS, scripted.url, retry_policy=FAST_RETRIES) as client:
        error = await failure_of_track(client)
    assert isinstance(error, RedirectedError)
    assert error.region == region
    assert len(scripted.requests) == 1


async def test_401_is_not_retried(scripted: ScriptedServer) -> None:
    scripted.acts = [respond(401, '{"meta": {"error": "Unauthorized request"}}')]
    async with TrackClient(CREDENTIALS, scripted.url, retry_policy=FAST_RETRIES) as client:
        error = await failure_of_track(client)
    assert isinstance(error, UnauthorizedError)
    assert "Unauthorized request" in str(error)
    assert len(scripted.requests) == 1


@pytest.mark.parametrize("body", ["<html>Welcome to the hotel's network</html>", "[]", '"ok"', "[" * 100_000])
async def test_200_without_a_json_object_is_not_a_confirmation(scripted: ScriptedServer, body: str) -> None:
    scripted.acts = [respond(200, body, "text/html")]
    async with TrackClient(CREDENTIALS, scripted.url, retry_policy=FAST_RETRIES) as client:
        error = await failure_of_track(client)
    assert isinstance(error, InterceptedError)
    assert error.outcome_unknown
    assert "hotel" not in str(error)


@pytest.mark.parametrize(
    ("body", "text"),
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
async def test_error_text_of_the_vendor_is_reported_short_and_html_is_not(
    scripted: ScriptedServer, body: str, text: str
) -> None:
    scripted.acts = [respond(400, body)]
    async with TrackClient(CREDENTIALS, scripted.url, retry_policy=FAST_RETRIES) as client:
        error = await failure_of_track(client)
    assert text in str(error)
    assert len(str(error)) < 400


async def test_credentials_in_an_error_text_are_removed(scripted: ScriptedServer) -> None:
    credentials = Credentials("site-id", "api-key-of-the-workspace")
    basic = "c2l0ZS1pZDphcGkta2V5LW9mLXRoZS13b3Jrc3BhY2U="
    scripted.acts = [respond(400, f'{{"meta": {{"error": "bad {basic} or api-key-of-the-workspace"}}}}')]
    async with TrackClient(credentials, scripted.url, retry_policy=FAST_RETRIES) as client:
        error = await failure_of_track(client)
    assert scripted.requests[0].headers["authorization"] == f"Basic {basic}"
    assert "bad [credentials] or [credentials]" in str(error)
