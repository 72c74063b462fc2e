"""What stands on the wire, byte by byte."""

import base64
from urllib.parse import unquote_to_bytes

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from customerio_track_mcp.track import Credentials, MissingCredentialsError, TrackClient
from customerio_track_mcp.track.session import USER_AGENT
from tests.conftest import IMPATIENT
from tests.scripted import ScriptedServer

CREDENTIALS = Credentials("site-id", "api-key")
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
        ("line\nbreak\x00", "line%0Abreak%00"),
    ],
)
async def test_an_identifier_arrives_as_itself(scripted: ScriptedServer, identifier: str, target: str) -> None:
    async with TrackClient(CREDENTIALS, scripted.url) as client:
        await client.identify(identifier)
        await client.track(identifier, "seen")
    assert [request.target for request in scripted.requests] == [f"{PREFIX}{target}", f"{PREFIX}{target}/events"]


async def test_any_unicode_identifier_decodes_to_itself_on_the_other_side(scripted: ScriptedServer) -> None:
    identifiers = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=30).filter(
        lambda text: text.strip() and text not in (".", "..") and len(text.encode()) <= 150
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
    arrived = [unquote_to_bytes(request.target.removeprefix(PREFIX)).decode() for request in scripted.requests]
    assert arrived == drawn
    assert all("/" not in request.target.removeprefix(PREFIX) for request in scripted.requests)


async def test_requests_carry_basic_auth_user_agent_and_json(scripted: ScriptedServer) -> None:
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


async def test_a_base_url_may_have_a_path(scripted: ScriptedServer) -> None:
    async with TrackClient(CREDENTIALS, f"{scripted.url}/gateway/") as client:
        await client.add_to_segment("7", ["a"])
    assert scripted.requests[0].target == "/gateway/api/v1/segments/7/add_customers?id_type=id"


async def test_one_connection_serves_calls_in_a_row(scripted: ScriptedServer) -> None:
    async with TrackClient(CREDENTIALS, scripted.url) as client:
        for _ in range(5):
            await client.track("42", "seen")
    assert scripted.connections == 1


async def test_calls_at_once_all_arrive_and_each_event_has_its_own_ulid(scripted: ScriptedServer) -> None:
    async with (
        TrackClient(CREDENTIALS, scripted.url, requests_per_second=100_000) as client,
        anyio.create_task_group() as tasks,
    ):
        for number in range(100):
            tasks.start_soon(client.track, str(number), "seen")
    assert len({request.json["id"] for request in scripted.requests}) == 100
    assert {request.target for request in scripted.requests} == {f"{PREFIX}{n}/events" for n in range(100)}


async def test_without_credentials_nothing_is_sent(scripted: ScriptedServer) -> None:
    async with TrackClient(None, scripted.url, patience=IMPATIENT) as client:
        with pytest.raises(MissingCredentialsError):
            await client.track("42", "seen")
    assert scripted.requests == []


def test_credentials_do_not_show_in_a_repr() -> None:
    assert repr(CREDENTIALS) == "Credentials()"


async def test_a_proxy_of_the_environment_is_not_asked_for_loopback(
    scripted: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:1")
    async with TrackClient(CREDENTIALS, scripted.url) as client:
        assert (await client.track("42", "seen")).attempts == 1
