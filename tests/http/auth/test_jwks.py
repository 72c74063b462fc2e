"""The cache of the authorization server's keys: fetching, rotation, outages."""

from __future__ import annotations

import json

import anyio
import pytest

from customerio_track_mcp.http.auth.jwks import JwksCache, KeysUnavailableError
from customerio_track_mcp.http.auth.jwt_verifier import JwtVerifier
from tests.support.authorization_server import AUDIENCE, AuthorizationServer, Key
from tests.support.scripted_server import Act, ScriptedServer, close, hang, reset, respond
from tests.support.waiting import wait_until

MODULE = "customerio_track_mcp.http.auth.jwks"


def verifier_for(issuer: AuthorizationServer, jwks_url: str = "", cooldown: float = 0) -> JwtVerifier:
    """Return a verifier with a new cache.

    Args:
        issuer: the authorization server.
        jwks_url: the URL of its keys, if not its own.
        cooldown: the minimum time between two fetches, in seconds.
    """
    return JwtVerifier(issuer.url, JwksCache(jwks_url or issuer.jwks_url, cooldown), AUDIENCE)


def respond_with_keys(issuer: AuthorizationServer) -> Act:
    return respond(200, json.dumps({"keys": [key.published for key in issuer.keys]}))


async def test_keys_are_fetched_once_and_again_after_a_rotation(issuer: AuthorizationServer) -> None:
    verifier = verifier_for(issuer)
    for _ in range(3):
        assert await verifier.verify(issuer.token()) is not None
    assert issuer.fetches == 1
    old, new = issuer.keys[0], Key("second")
    issuer.keys = [new]
    assert await verifier.verify(issuer.token(new)) is not None
    assert issuer.fetches == 2
    assert await verifier.verify(issuer.token(old)) is None


async def test_keys_that_are_not_fresh_are_fetched_again(
    issuer: AuthorizationServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    verifier = verifier_for(issuer)
    token = issuer.token()
    assert await verifier.verify(token) is not None
    monkeypatch.setattr(f"{MODULE}._FRESH_SECONDS", 0)
    issuer.keys = [Key("second")]
    assert await verifier.verify(token) is None
    assert issuer.fetches == 2


async def test_unknown_key_ids_cause_one_fetch_per_cooldown(issuer: AuthorizationServer) -> None:
    verifier = verifier_for(issuer, cooldown=60)
    unknown = issuer.token(Key("unknown"))
    for _ in range(10):
        assert await verifier.verify(unknown) is None
    assert issuer.fetches == 1


async def test_keys_remain_valid_during_an_outage_until_they_are_too_old(
    issuer: AuthorizationServer, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    verifier = verifier_for(issuer)
    assert await verifier.verify(issuer.token()) is not None
    issuer.fails = True
    monkeypatch.setattr(f"{MODULE}._FRESH_SECONDS", 0)
    assert await verifier.verify(issuer.token()) is not None
    assert "the keys of the authorization server can't be had" in caplog.text
    with pytest.raises(KeysUnavailableError):
        # It may be a new key that could not be fetched.
        await verifier.verify(issuer.token(Key("unknown")))
    monkeypatch.setattr(f"{MODULE}._USABLE_SECONDS", 0)
    with pytest.raises(KeysUnavailableError):
        await verifier.verify(issuer.token())


@pytest.mark.parametrize(
    "act",
    [
        hang,
        reset,
        close,
        respond(200, "not JSON"),
        respond(200, "[]"),
        respond(200, "[" * 100_000),
        respond(200, '{"keys": []}'),
        respond(200, '{"keys": [{"kty": "RSA", "kid": "first", "n": "AQAB", "e": "AQAB", "alg": ["RS256"]}]}'),
        respond(200, '{"keys": [{"kty": "RSA", "kid": "first", "n": "AQAB", "e": "AQAB", "alg": "none"}]}'),
        respond(200, " " * 2_000_000),
        respond(302, "", Location="http://127.0.0.1:1/"),
    ],
)
async def test_invalid_response_does_not_replace_the_keys(
    scripted: ScriptedServer, issuer: AuthorizationServer, act: Act, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{MODULE}._FETCH_TIMEOUT", 0.5)
    token = issuer.token()
    scripted.acts = [act, respond_with_keys(issuer), act]
    verifier = verifier_for(issuer, f"{scripted.url}/jwks")
    with anyio.fail_after(20):
        with pytest.raises(KeysUnavailableError):
            await verifier.verify(token)
        assert await verifier.verify(token) is not None
        monkeypatch.setattr(f"{MODULE}._FRESH_SECONDS", 0)
        assert await verifier.verify(token) is not None
    assert len(scripted.requests) == 3


async def test_known_key_is_returned_during_the_fetch_of_an_unknown_one(
    scripted: ScriptedServer, issuer: AuthorizationServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    scripted.acts = [respond_with_keys(issuer), hang]
    verifier = verifier_for(issuer, f"{scripted.url}/jwks")
    async with anyio.create_task_group() as tasks:
        assert await verifier.verify(issuer.token()) is not None
        tasks.start_soon(verifier.verify, issuer.token(Key("unknown")))
        await wait_until(lambda: len(scripted.requests) == 2)
        assert await verifier.verify(issuer.token()) is not None
        # Even if it is no longer fresh.
        monkeypatch.setattr(f"{MODULE}._FRESH_SECONDS", 0)
        assert await verifier.verify(issuer.token()) is not None
        tasks.cancel_scope.cancel()
