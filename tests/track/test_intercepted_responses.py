"""Responses that something between this client and the Track API sent: they are not the Track API's words."""

from __future__ import annotations

import pytest

from customerio_track_mcp.track import (
    InterceptedError,
    RateLimitedError,
    RejectedError,
    TrackClient,
    UnauthorizedError,
    UnavailableError,
)
from tests.support.clients import FAST_RETRIES
from tests.support.scripted_server import ScriptedServer, respond
from tests.track.failing_calls import CREDENTIALS, failure_of_track

HTML = "<html><body><h1>Access denied by SECRET POLICY</h1></body></html>"


@pytest.mark.parametrize("status", [400, 403, 404, 405, 406, 407, 411, 413, 414, 421, 431, 451, 511])
@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (HTML, "text/html"),
        (HTML, "application/json"),
        ("Forbidden", "text/plain"),
        ("", "text/html"),
        ('"Forbidden"', "application/json"),
        ("[]", "application/json"),
        ('{"message": "Forbidden"}', "application/json"),
    ],
)
async def test_error_in_another_format_is_from_something_in_between_and_not_retried(
    scripted: ScriptedServer, status: int, body: str, content_type: str
) -> None:
    scripted.acts = [respond(status, body, content_type)]
    async with TrackClient(CREDENTIALS, scripted.url, retry_policy=FAST_RETRIES) as client:
        error = await failure_of_track(client)
    assert isinstance(error, InterceptedError)
    assert (error.status, error.attempts, error.outcome_unknown) == (status, 1, False)
    assert str(error) == (
        f"the response ({status}) is not in the Track API's format: something in between, such as a proxy or a "
        "firewall, seems to have sent it"
    )
    assert "arguments" not in error.advice
    assert len(scripted.requests) == 1


@pytest.mark.parametrize(
    ("body", "content_type", "error_class"),
    [
        (HTML, "text/html", InterceptedError),
        (HTML, "application/json", InterceptedError),
        ("Log in", "text/html; charset=utf-8", InterceptedError),
        ("", "text/html", UnauthorizedError),
        ("", "application/json", UnauthorizedError),
        ("Unauthorized request", "text/plain", UnauthorizedError),
        ('{"message": "Unauthorized"}', "application/json", UnauthorizedError),
    ],
)
async def test_401_is_about_the_credentials_unless_it_is_a_page(
    scripted: ScriptedServer, body: str, content_type: str, error_class: type[Exception]
) -> None:
    scripted.acts = [respond(401, body, content_type)]
    async with TrackClient(CREDENTIALS, scripted.url, retry_policy=FAST_RETRIES) as client:
        error = await failure_of_track(client)
    assert type(error) is error_class
    assert "SECRET" not in str(error)
    assert len(scripted.requests) == 1


@pytest.mark.parametrize("status", [407, 511])
async def test_status_that_only_proxies_send_is_from_something_in_between(
    scripted: ScriptedServer, status: int
) -> None:
    scripted.acts = [respond(status, '{"meta": {"error": "proxy"}}')]
    async with TrackClient(CREDENTIALS, scripted.url, retry_policy=FAST_RETRIES) as client:
        assert isinstance(await failure_of_track(client), InterceptedError)


@pytest.mark.parametrize(
    ("status", "error_class"),
    [(400, RejectedError), (401, UnauthorizedError), (403, RejectedError), (404, RejectedError), (413, RejectedError)],
)
@pytest.mark.parametrize("body", ["{}", '{"meta": {"error": "no"}}', '{"meta": {"errors": ["no"]}}', '{"meta": null}'])
@pytest.mark.parametrize("content_type", ["application/json", "text/html"])
async def test_error_in_the_format_of_the_track_api_is_its_own(
    scripted: ScriptedServer, status: int, error_class: type[Exception], body: str, content_type: str
) -> None:
    scripted.acts = [respond(status, body, content_type)]
    async with TrackClient(CREDENTIALS, scripted.url, retry_policy=FAST_RETRIES) as client:
        error = await failure_of_track(client)
    assert type(error) is error_class
    assert "the Track API " in str(error)


@pytest.mark.parametrize(
    ("status", "error_class", "verb"),
    [
        (408, UnavailableError, "failed"),
        (429, RateLimitedError, "accepts no more requests for now"),
        (502, UnavailableError, "failed"),
    ],
)
@pytest.mark.parametrize(
    ("body", "sender"),
    [
        (HTML, "the Track API or something in front of it"),
        ("", "the Track API or something in front of it"),
        ("{}", "the Track API"),
    ],
)
async def test_failure_that_may_pass_is_retried_whoever_sent_it(
    scripted: ScriptedServer, status: int, error_class: type[Exception], verb: str, body: str, sender: str
) -> None:
    scripted.acts = [respond(status, body, "text/html")] * 9
    async with TrackClient(CREDENTIALS, scripted.url, retry_policy=FAST_RETRIES) as client:
        error = await failure_of_track(client)
    assert type(error) is error_class
    assert str(error) == f"{sender} {verb} ({status})"
    assert len(scripted.requests) == 4
