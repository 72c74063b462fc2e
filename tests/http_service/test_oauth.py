"""The service as an OAuth resource server: which JWTs get in, and what those who don't are told."""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import httpx
import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from mcp import Client
from mcp.client.auth.extensions.client_credentials import ClientCredentialsOAuthProvider
from mcp.client.streamable_http import streamable_http_client
from mcp.shared._httpx_utils import create_mcp_http_client
from mcp.shared.auth import OAuthClientInformationFull, OAuthToken

from customerio_track_mcp.http.auth.jwks import Keys, KeysUnavailableError
from customerio_track_mcp.http.auth.jwt_verifier import JwtVerifier
from customerio_track_mcp.sandbox import RunningSandbox
from customerio_track_mcp.settings.base import BadSettingsError
from customerio_track_mcp.settings.http import HttpSettings
from tests.http_service.authorization_server import AUDIENCE, AuthorizationServer, Key, authorization_server
from tests.http_service.serving import TOKEN, TOOLS_LIST, answer_in, bearer, call, payload_in, serving
from tests.scripted import Act, ScriptedServer, answer, answer_when, close, hang, reset
from tests.waiting import until

METADATA = "/.well-known/oauth-protected-resource"


@pytest.fixture
async def issuer() -> AsyncIterator[AuthorizationServer]:
    async with authorization_server() as server:
        yield server


@asynccontextmanager
async def protected(
    sandbox: RunningSandbox, issuer: AuthorizationServer, **settings: Any
) -> AsyncIterator[httpx.AsyncClient]:
    own = {"issuer": issuer.url, "jwks_url": issuer.jwks_url, "public_url": AUDIENCE}
    async with serving(sandbox.url, **own | settings) as http:
        yield http


def unsigned(issuer: AuthorizationServer, algorithm: str) -> str:
    """A token that says of itself that it needs no signature."""
    parts = [{"alg": algorithm, "typ": "JWT", "kid": "first"}, {"iss": issuer.url, "aud": AUDIENCE, "exp": 2**33}]
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts) + "."


def signed_with_the_public_key(issuer: AuthorizationServer) -> str:
    """The old confusion: the public key, known to all, as the secret of an HMAC."""
    pem = issuer.keys[0].private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    head, body, _ = jwt.encode(
        {"iss": issuer.url, "aud": AUDIENCE, "exp": 2**33}, "s" * 64, "HS256", headers={"kid": "first"}
    ).split(".")
    signature = jwt.get_algorithm_by_name("HS256").sign(f"{head}.{body}".encode(), pem)
    return f"{head}.{body}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"


def tampered(token: str) -> str:
    head, body, signature = token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    changed = base64.urlsafe_b64encode(json.dumps(claims | {"sub": "admin"}).encode()).decode().rstrip("=")
    return f"{head}.{changed}.{signature}"


TOKENS: dict[str, tuple[Callable[[AuthorizationServer], str], int]] = {
    "valid": (lambda issuer: issuer.token(), 200),
    "one of several audiences": (lambda issuer: issuer.token(aud=["https://a.example", AUDIENCE]), 200),
    "just expired, within the clocks' skew": (lambda issuer: issuer.token(exp=int(time.time()) - 5), 200),
    "expired": (lambda issuer: issuer.token(exp=int(time.time()) - 60), 401),
    "without an end": (lambda issuer: issuer.token(exp=None), 401),
    "not valid yet": (lambda issuer: issuer.token(nbf=int(time.time()) + 600), 401),
    "another audience": (lambda issuer: issuer.token(aud="https://other.example.com/mcp"), 401),
    "no audience": (lambda issuer: issuer.token(aud=None), 401),
    "another issuer": (lambda issuer: issuer.token(iss="https://evil.example"), 401),
    "no issuer": (lambda issuer: issuer.token(iss=None), 401),
    "unknown key": (lambda issuer: issuer.token(Key("unknown")), 401),
    "another key under a known id": (lambda issuer: issuer.token(Key("first")), 401),
    "no key id": (lambda issuer: issuer.token(headers={"kid": None}), 401),
    "alg none": (lambda issuer: unsigned(issuer, "none"), 401),
    "alg nOnE": (lambda issuer: unsigned(issuer, "nOnE"), 401),
    "HMAC with the public key": (signed_with_the_public_key, 401),
    "tampered with": (lambda issuer: tampered(issuer.token()), 401),
    "rubbish": (lambda _: "a.b.c", 401),
    "long rubbish": (lambda _: f"{'a' * 20_000}.b.c", 401),
    "no JWT": (lambda _: "opaque", 401),
}


@pytest.mark.parametrize("name", TOKENS)
async def test_only_a_jwt_that_is_valid_gets_in(
    sandbox: RunningSandbox, issuer: AuthorizationServer, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    make, status = TOKENS[name]
    token = make(issuer)
    async with protected(sandbox, issuer) as http:
        reply = await http.post("/mcp", json=call(), headers=bearer(token))
    assert reply.status_code == status
    assert len(list(sandbox.workspace.events)) == (status == 200)
    assert token not in caplog.text
    if status == 401:
        assert 'error="invalid_token"' in reply.headers["www-authenticate"]


async def test_elliptic_curve_keys_serve_too(sandbox: RunningSandbox, issuer: AuthorizationServer) -> None:
    issuer.keys = [Key("curve", "ES256")]
    async with protected(sandbox, issuer) as http:
        assert (await http.post("/mcp", json=call(), headers=bearer(issuer.token()))).status_code == 200


@pytest.mark.parametrize(("algorithm", "status"), [("RS256", 200), ("RS512", 200), ("PS256", 200), ("HS256", 401)])
async def test_a_key_need_not_name_its_algorithm(
    sandbox: RunningSandbox, issuer: AuthorizationServer, algorithm: str, status: int
) -> None:
    key = UnnamedKey("first")
    issuer.keys = [key]
    token = issuer.token()
    if algorithm == "HS256":
        token = signed_with_the_public_key(issuer)
    elif algorithm != "RS256":
        claims = jwt.decode(token, options={"verify_signature": False})
        token = jwt.encode(claims, key.private, algorithm, headers={"kid": "first"})
    async with protected(sandbox, issuer) as http:
        assert (await http.post("/mcp", json=call(), headers=bearer(token))).status_code == status


class UnnamedKey(Key):
    """A key that does not say which algorithm it is for."""

    @property
    def published(self) -> dict[str, Any]:
        return {name: value for name, value in super().published.items() if name != "alg"}


async def test_who_has_no_token_is_told_where_to_get_one(sandbox: RunningSandbox, issuer: AuthorizationServer) -> None:
    async with protected(sandbox, issuer, required_scopes="mcp") as http:
        reply = await http.post("/mcp", json=TOOLS_LIST)
        assert reply.status_code == 401
        assert f'resource_metadata="https://mcp.example.com{METADATA}/mcp"' in reply.headers["www-authenticate"]
        for path in (f"{METADATA}/mcp", METADATA):
            metadata = (await http.get(path)).json()
            assert metadata["resource"] == AUDIENCE
            assert metadata["authorization_servers"] == [issuer.url]
            assert metadata["scopes_supported"] == ["customers:write", "events:write", "mcp", "segments:write"]


class Storage:
    """Keeps what the SDK's client learns."""

    tokens: OAuthToken | None = None
    client: OAuthClientInformationFull | None = None

    async def get_tokens(self) -> OAuthToken | None:
        return self.tokens

    async def set_tokens(self, tokens: OAuthToken) -> None:
        self.tokens = tokens

    async def get_client_info(self) -> OAuthClientInformationFull | None:
        return self.client

    async def set_client_info(self, client_info: OAuthClientInformationFull) -> None:
        self.client = client_info


async def test_the_sdks_client_finds_its_way_in_by_the_metadata_alone(
    sandbox: RunningSandbox, issuer: AuthorizationServer
) -> None:
    async with protected(sandbox, issuer, public_url="HERE/mcp") as http:
        url = f"{http.base_url}/mcp"
        flow = ClientCredentialsOAuthProvider(url, Storage(), "agent", "secret", issuer=issuer.url)
        async with (
            create_mcp_http_client(auth=flow) as own,
            Client(streamable_http_client(url, http_client=own)) as client,
        ):
            assert len((await client.list_tools()).tools) == 3
            result = await client.call_tool("send_event", {"customer_id": "1", "event_name": "bought"})
            assert result.structured_content["success"]
    assert issuer.token_requests[0]["resource"] == url


async def test_required_scopes_are_required(sandbox: RunningSandbox, issuer: AuthorizationServer) -> None:
    async with protected(sandbox, issuer, required_scopes="mcp", tokens=f"ann {TOKEN}") as http:
        lacking = await http.post("/mcp", json=call(), headers=bearer(issuer.token()))
        assert lacking.status_code == 403
        assert 'error="insufficient_scope"' in lacking.headers["www-authenticate"]
        holding = await http.post("/mcp", json=call(), headers=bearer(issuer.token(scope="mcp events:write")))
        assert payload_in(holding)["success"]
        # A static token is the operator's own word.
        assert (await http.post("/mcp", json=call(), headers=bearer(TOKEN))).status_code == 200


@pytest.mark.parametrize("claim", [{"scope": "events:write"}, {"scope": None, "scp": ["events:write"]}])
async def test_scopes_limit_tools(sandbox: RunningSandbox, issuer: AuthorizationServer, claim: dict[str, Any]) -> None:
    async with protected(sandbox, issuer) as http:
        headers = bearer(issuer.token(**claim))
        tools = answer_in(await http.post("/mcp", json=TOOLS_LIST, headers=headers))["result"]["tools"]
        assert [tool["name"] for tool in tools] == ["send_event"]
        assert payload_in(await http.post("/mcp", json=call(), headers=headers))["success"]
        segment = call("add_customers_to_segment", segment_id="1", customer_ids=["1"])
        reply = await http.post("/mcp", json=segment, headers=headers)
        assert reply.status_code == 403
        challenge = reply.headers["www-authenticate"]
        assert 'error="insufficient_scope", scope="events:write segments:write"' in challenge
        assert METADATA in challenge


async def test_tool_scopes_can_be_left_out(sandbox: RunningSandbox, issuer: AuthorizationServer) -> None:
    async with protected(sandbox, issuer, tool_scopes=False) as http:
        reply = await http.post("/mcp", json=call(), headers=bearer(issuer.token(scope=None)))
        assert payload_in(reply)["success"]


def verifier_of(issuer: AuthorizationServer, url: str = "", cooldown: float = 0) -> JwtVerifier:
    return JwtVerifier(issuer.url, Keys(url or issuer.jwks_url, cooldown), AUDIENCE)


async def test_keys_are_fetched_once_and_rotate(issuer: AuthorizationServer) -> None:
    verifier = verifier_of(issuer)
    for _ in range(3):
        assert await verifier.verify(issuer.token()) is not None
    assert issuer.fetches == 1
    old, new = issuer.keys[0], Key("second")
    issuer.keys = [new]
    assert await verifier.verify(issuer.token(new)) is not None
    assert issuer.fetches == 2
    assert await verifier.verify(issuer.token(old)) is None


async def test_keys_are_fetched_again_when_they_are_old(
    issuer: AuthorizationServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    verifier = verifier_of(issuer)
    token = issuer.token()
    assert await verifier.verify(token) is not None
    monkeypatch.setattr("customerio_track_mcp.http.auth.jwks._FRESH_SECONDS", 0)
    issuer.keys = [Key("second")]
    assert await verifier.verify(token) is None
    assert issuer.fetches == 2


async def test_unknown_keys_do_not_make_it_fetch_again_and_again(issuer: AuthorizationServer) -> None:
    verifier = verifier_of(issuer, cooldown=60)
    unknown = issuer.token(Key("unknown"))
    for _ in range(10):
        assert await verifier.verify(unknown) is None
    assert issuer.fetches == 1


async def test_keys_outlive_an_outage_of_the_authorization_server(
    issuer: AuthorizationServer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    verifier = verifier_of(issuer)
    assert await verifier.verify(issuer.token()) is not None
    issuer.fails = True
    monkeypatch.setattr("customerio_track_mcp.http.auth.jwks._FRESH_SECONDS", 0)
    assert await verifier.verify(issuer.token()) is not None
    assert "the keys of the authorization server can't be had" in caplog.text
    with pytest.raises(KeysUnavailableError):
        # It may be new: that can't be told.
        await verifier.verify(issuer.token(Key("unknown")))
    monkeypatch.setattr("customerio_track_mcp.http.auth.jwks._SERVE_SECONDS", 0)
    with pytest.raises(KeysUnavailableError):
        await verifier.verify(issuer.token())


async def test_without_keys_the_caller_is_told_to_come_again(
    sandbox: RunningSandbox, issuer: AuthorizationServer
) -> None:
    issuer.fails = True
    async with protected(sandbox, issuer, tokens=f"ann {TOKEN}") as http:
        for _ in range(5):
            reply = await http.post("/mcp", json=call(), headers=bearer(issuer.token()))
            assert (reply.status_code, reply.headers["retry-after"]) == (503, "10")
        assert issuer.fetches == 1
        assert (await http.post("/mcp", json=call(), headers=bearer(TOKEN))).status_code == 200


@pytest.mark.parametrize(
    "act",
    [
        hang,
        reset,
        close,
        answer(200, "no JSON"),
        answer(200, "[]"),
        answer(200, "[" * 100_000),
        answer(200, '{"keys": []}'),
        answer(200, '{"keys": [{"kty": "RSA", "kid": "first", "n": "AQAB", "e": "AQAB", "alg": ["RS256"]}]}'),
        answer(200, '{"keys": [{"kty": "RSA", "kid": "first", "n": "AQAB", "e": "AQAB", "alg": "none"}]}'),
        answer(200, " " * 2_000_000),
        answer(302, "", Location="http://127.0.0.1:1/"),
    ],
)
async def test_whatever_comes_in_the_place_of_keys_old_ones_serve_on(
    scripted: ScriptedServer, act: Act, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("customerio_track_mcp.http.auth.jwks._FETCH_SECONDS", 0.5)
    async with authorization_server() as issuer:
        token = issuer.token()
        good = answer(200, json.dumps({"keys": [key.published for key in issuer.keys]}))
        scripted.acts = [act, good, act]
        verifier = verifier_of(issuer, f"{scripted.url}/jwks")
        with anyio.fail_after(20):
            with pytest.raises(KeysUnavailableError):
                await verifier.verify(token)
            assert await verifier.verify(token) is not None
            monkeypatch.setattr("customerio_track_mcp.http.auth.jwks._FRESH_SECONDS", 0)
            assert await verifier.verify(token) is not None
    assert len(scripted.requests) == 3


async def test_who_has_a_known_key_does_not_wait_for_an_unknown_one(
    scripted: ScriptedServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with authorization_server() as issuer, anyio.create_task_group() as tasks:
        scripted.acts = [answer(200, json.dumps({"keys": [key.published for key in issuer.keys]})), hang]
        verifier = verifier_of(issuer, f"{scripted.url}/jwks")
        assert await verifier.verify(issuer.token()) is not None
        tasks.start_soon(verifier.verify, issuer.token(Key("unknown")))
        await until(lambda: len(scripted.requests) == 2)
        assert await verifier.verify(issuer.token()) is not None
        # Not even where it is no longer fresh.
        monkeypatch.setattr("customerio_track_mcp.http.auth.jwks._FRESH_SECONDS", 0)
        assert await verifier.verify(issuer.token()) is not None
        tasks.cancel_scope.cancel()


@pytest.mark.parametrize(
    ("claims", "name"),
    [
        ({}, "oauth:agent"),
        ({"client_id": None, "azp": "https://app.example/1"}, "oauth:https://app.example/1"),
        ({"client_id": "ann@example.com"}, "oauth:unnamed"),
        ({"client_id": {"a": 1}}, "oauth:unnamed"),
        ({"client_id": "x" * 65}, "oauth:unnamed"),
        ({"client_id": None}, "oauth:unnamed"),
    ],
)
async def test_the_name_of_an_application_is_no_address(
    issuer: AuthorizationServer, claims: dict[str, Any], name: str
) -> None:
    holder = await verifier_of(issuer).verify(issuer.token(**claims))
    assert holder is not None
    assert (holder.client_id, holder.token) == (name, "")


@pytest.mark.parametrize("scope", ["прив", ["a\r\nSet-Cookie: x=y"], 'a" b', ["\x00"], {"a": 1}, 7, [["x"]]])
async def test_an_odd_scope_gets_into_no_header(
    sandbox: RunningSandbox, issuer: AuthorizationServer, scope: object
) -> None:
    async with protected(sandbox, issuer) as http:
        reply = await http.post("/mcp", json=call(), headers=bearer(issuer.token(scope=scope)))
    assert reply.status_code == 403
    assert "set-cookie" not in reply.headers
    assert re.search(r' scope="(b )?events:write", resource_metadata=', reply.headers["www-authenticate"])


async def test_what_jwts_must_have_gives_nothing_to_static_tokens(
    sandbox: RunningSandbox, issuer: AuthorizationServer
) -> None:
    settings = {"tokens": f"prometheus {TOKEN} metrics:read", "required_scopes": "events:write"}
    async with protected(sandbox, issuer, **settings) as http:
        reply = await http.post("/mcp", json=call(), headers=bearer(TOKEN))
        assert reply.status_code == 200
        assert "403: this caller may not use send_event" in payload_in(reply)["error"]
        assert (await http.get("/metrics", headers=bearer(TOKEN))).status_code == 200
    assert not list(sandbox.workspace.events)


async def test_callers_of_both_kinds_are_told_apart(scripted: ScriptedServer, issuer: AuthorizationServer) -> None:
    settings: dict[str, Any] = {
        "issuer": issuer.url,
        "jwks_url": issuer.jwks_url,
        "public_url": AUDIENCE,
        "tokens": f"agent {TOKEN}",
        "max_in_flight_per_caller": 1,
    }
    go = anyio.Event()
    scripted.acts = [answer_when(go)]
    async with serving(scripted.url, **settings) as http, anyio.create_task_group() as tasks:
        token = issuer.token(sub=None)
        tasks.start_soon(lambda: http.post("/mcp", json=call(), headers=bearer(token)))
        await scripted.received.wait()
        # A JWT without a person counts for its application; a static token of the application's name does not.
        assert (await http.post("/mcp", json=call(), headers=bearer(token))).status_code == 429
        assert (await http.post("/mcp", json=call(), headers=bearer(TOKEN))).status_code == 200
        assert (await http.post("/mcp", json=call(), headers=bearer(issuer.token()))).status_code == 200
        go.set()


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        (
            {"issuer": "https://a.example"},
            "and CUSTOMERIO_HTTP_JWKS_URL have to be set together",
        ),
        (
            {"issuer": "https://a.example", "jwks_url": "https://a.example/k"},
            "HTTP_PUBLIC_URL has to be set",
        ),
        ({"audience": "x"}, "do nothing without CUSTOMERIO_HTTP_ISSUER"),
        ({"jwks_url": "http://a.example/k"}, "CUSTOMERIO_HTTP_JWKS_URL: has to begin with https://"),
        ({"issuer": "ftp://a.example"}, "CUSTOMERIO_HTTP_ISSUER: has to begin with https://"),
        ({"public_url": "https://user@a.example/mcp"}, "CUSTOMERIO_HTTP_PUBLIC_URL: has to be a URL such as"),
        ({"allowed_origins": "a.example"}, "CUSTOMERIO_HTTP_ALLOWED_ORIGINS: holds something that is no origin"),
        ({"grace_period": "-1"}, "CUSTOMERIO_HTTP_GRACE_PERIOD: "),
    ],
)
def test_settings_that_can_t_be_used_are_told(
    monkeypatch: pytest.MonkeyPatch, settings: dict[str, str], told: str
) -> None:
    for name, value in settings.items():
        monkeypatch.setenv(f"CUSTOMERIO_HTTP_{name.upper()}", value)
    with pytest.raises(BadSettingsError, match="CUSTOMERIO_HTTP_") as raised:
        HttpSettings.from_environment()
    assert told in raised.value.problems[0]
