"""One attempt, byte by byte as it arrives at a server."""

from __future__ import annotations

import base64
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from customerio_track_mcp.track import MissingCredentialsError, RetryPolicy, TrackClient
from customerio_track_mcp.track.session import USER_AGENT
from customerio_track_mcp.track.validation.identifiers import identifier_problems
from tests.support.clients import FAST_RETRIES
from tests.support.scripted_server import Act, ScriptedServer, close, hang
from tests.track.failing_calls import CREDENTIALS, failure_of_track

PREFIX = "/api/v1/customers/"


@pytest.mark.parametrize(
    ("identifier", "target"),
    [
        ("42", "42"),
        ("ann+news@example.com", "ann%2Bnews%40example.com"),
        ("a/b", "a%2Fb"),
        ("a%2Fb", "a%252Fb"),
        ("a?b#c&d=e", "a%3Fb%23c%26d%3De"),
        ("../accounts/region", "..%2Faccounts%2Fregion"),
        ("two words", "two%20words"),
        ("Zoë 日本", "Zo%C3%AB%20%E6%97%A5%E6%9C%AC"),
        ("a;b:c,d'(e)!*~", "a%3Bb%3Ac%2Cd%27%28e%29%21%2A~"),
        ("emoji 👩\u200d💻", "emoji%20%F0%9F%91%A9%E2%80%8D%F0%9F%92%BB"),
    ],
)
async def test_identifier_is_percent_encoded_once(scripted: ScriptedServer, identifier: str, target: str) -> None:
    async with TrackClient(CREDENTIALS, scripted.url) as client:
        await client.identify(identifier)
        await client.track(identifier, "seen")
    assert [request.target for request in scripted.requests] == [f"{PREFIX}{target}", f"{PREFIX}{target}/events"]


async def test_any_unicode_identifier_is_decoded_unchanged_by_the_server(scripted: ScriptedServer) -> None:
    characters = st.characters(exclude_categories=["C", "Zl", "Zp"], exclude_characters="\N{REPLACEMENT CHARACTER}")
    identifiers = st.text(characters, min_size=1, max_size=30).filter(
        lambda text: not identifier_problems("customer_id", text)
    )
    drawn: list[str] = []

    @settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
    @given(identifiers)
    def draw(identifier: str) -> None:
        drawn.append(identifier)

    draw()
    async with TrackClient(CREDENTIALS, scripted.url, requests_per_second=100_000) as client:
        for identifier in drawn:
            await client.identify(identifier)
    received = [unquote_to_bytes(request.target.removeprefix(PREFIX)).decode() for request in scripted.requests]
    assert received == drawn
    assert all("/" not in request.target.removeprefix(PREFIX) for request in scripted.requests)


async def test_requests_contain_basic_auth_user_agent_and_json(scripted: ScriptedServer) -> None:
    async with TrackClient(CREDENTIALS, scripted.url) as client:
        await client.identify("42", attributes={"name": "Zoë"})
        await client.find_region()
    identify, region = scripted.requests
    expected = "Basic " + base64.b64encode(b"site-id:api-key").decode()
    assert identify.headers["authorization"] == region.headers["authorization"] == expected
    assert identify.headers["user-agent"] == USER_AGENT
    assert USER_AGENT.startswith("customerio-track-mcp/")
    assert identify.headers["content-type"] == "application/json"
    assert identify.body == '{"name":"Zoë"}'.encode()
    assert region.line == "GET /api/v1/accounts/region HTTP/1.1"
    assert region.body == b""


async def test_base_url_may_have_a_path(scripted: ScriptedServer) -> None:
    async with TrackClient(CREDENTIALS, f"{scripted.url}/gateway/") as client:
        await client.add_to_segment("7", ["a"])
    assert scripted.requests[0].target == "/gateway/api/v1/segments/7/add_customers?id_type=id"


async def test_path_of_the_base_url_is_encoded_but_never_decoded(scripted: ScriptedServer) -> None:
    async with TrackClient(CREDENTIALS, f"{scripted.url}/a%2Bb/gatewäy/") as client:
        await client.identify("42")
    assert scripted.requests[0].target == "/a%2Bb/gatew%C3%A4y/api/v1/customers/42"


async def test_nothing_is_sent_without_credentials(scripted: ScriptedServer) -> None:
    async with TrackClient(None, scripted.url, retry_policy=FAST_RETRIES) as client:
        with pytest.raises(MissingCredentialsError):
            await client.track("42", "seen")
    assert scripted.requests == []


@pytest.mark.parametrize("act", [hang, close])
async def test_outcome_is_known_if_a_proxy_does_not_open_the_tunnel(
    scripted: ScriptedServer, monkeypatch: pytest.MonkeyPatch, act: Act
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", scripted.url)
    scripted.acts = [act]
    retry_policy = RetryPolicy(time_budget=0.3, max_attempts=1)
    async with TrackClient(CREDENTIALS, "https://track.example.invalid", retry_policy=retry_policy) as client:
        error = await failure_of_track(client)
    assert [request.line for request in scripted.requests] == ["CONNECT track.example.invalid:443 HTTP/1.1"]
    assert not error.outcome_unknown
