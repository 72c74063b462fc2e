"""The cache of the authorization server's keys: fetching, rotation, outages."""

from __future__ import annotations

import gzip
import json
import tracemalloc
import zlib
from collections.abc import Iterator
from contextlib import contextmanager

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


@contextmanager
def timeout_for(act: Act) -> Iterator[None]:
    """Shorten the timeout if nothing else ends the request. A response can take long on a busy machine."""
    with pytest.MonkeyPatch.context() as patched:
        if act is hang:
            patched.setattr(f"{MODULE}._FETCH_TIMEOUT", 0.5)
        yield


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
        respond(200, "{}"),
        respond(200, '{"keys": {}}'),
        respond(200, json.dumps({"keys": [{}] * 101})),
        respond(200, " " * 2_000_000),
        respond(200, gzip.compress(b'{"keys": [' + b" " * 2_000_000 + b"]}"), Content_Encoding="gzip"),
        respond(200, gzip.compress(b'{"keys": []}')[:-10], Content_Encoding="gzip"),
        respond(200, zlib.compress(b'{"keys": []}'), Content_Encoding="deflate"),
        respond(200, '{"keys": []}', Content_Encoding="br"),
        respond(302, "", Location="http://127.0.0.1:1/"),
    ],
)
async def test_invalid_response_does_not_replace_the_keys(
    scripted: ScriptedServer, issuer: AuthorizationServer, act: Act, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = issuer.token()
    verifier = verifier_for(issuer, f"{scripted.url}/jwks")
    with timeout_for(act):
        scripted.acts = [act]
        with pytest.raises(KeysUnavailableError):
            await verifier.verify(token)
    scripted.acts = [respond_with_keys(issuer)]
    assert await verifier.verify(token) is not None
    monkeypatch.setattr(f"{MODULE}._FRESH_SECONDS", 0)
    with timeout_for(act):
        scripted.acts = [act]
        assert await verifier.verify(token) is not None
    # On a slow machine, the short timeout can end a request before it is sent.
    assert len(scripted.requests) == 3 or act is hang


@pytest.mark.parametrize(
    "published", ["[]", '[{"kty": "RSA", "kid": "first", "alg": "RS256", "n": "AQAB", "e": "AQAB"}]']
)
async def test_a_set_without_usable_keys_withdraws_every_key(
    scripted: ScriptedServer,
    issuer: AuthorizationServer,
    published: str,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    scripted.acts = [respond_with_keys(issuer), *[respond(200, f'{{"keys": {published}}}')] * 3]
    verifier = verifier_for(issuer, f"{scripted.url}/jwks")
    assert await verifier.verify(issuer.token()) is not None
    monkeypatch.setattr(f"{MODULE}._FRESH_SECONDS", 0)
    # Neither the old key nor a 503: a client must request another token.
    for token in (issuer.token(), issuer.token(), issuer.token(Key("unknown"))):
        assert await verifier.verify(token) is None
    events = [record.message for record in caplog.records]
    assert events.count("the authorization server publishes no usable key: no JWT is valid") == 1
    assert "the keys of the authorization server can't be had" not in events


async def test_a_new_key_id_within_the_cooldown_may_be_published_by_now(issuer: AuthorizationServer) -> None:
    verifier = verifier_for(issuer, cooldown=60)
    assert await verifier.verify(issuer.token()) is not None
    issuer.keys.append(Key("second"))
    for _ in range(2):
        with pytest.raises(KeysUnavailableError):
            await verifier.verify(issuer.token(issuer.keys[1]))
    assert issuer.fetches == 1


async def test_a_withdrawn_key_id_is_not_new(issuer: AuthorizationServer, monkeypatch: pytest.MonkeyPatch) -> None:
    verifier = verifier_for(issuer)
    old = issuer.token()
    assert await verifier.verify(old) is not None
    issuer.keys = [Key("second")]
    assert await verifier.verify(issuer.token()) is not None
    monkeypatch.setattr(verifier._keys, "_next_fetch_at", anyio.current_time() + 60)
    assert await verifier.verify(old) is None
    with pytest.raises(KeysUnavailableError):
        await verifier.verify(issuer.token(Key("third")))
    assert issuer.fetches == 2


async def test_callers_with_one_unknown_key_id_share_a_fetch_and_its_result(issuer: AuthorizationServer) -> None:
    verifier = verifier_for(issuer, cooldown=60)
    token = issuer.token(Key("unknown"))
    results: list[object] = []

    async def verify() -> None:
        results.append(await verifier.verify(token))

    async with anyio.create_task_group() as tasks:
        for _ in range(20):
            tasks.start_soon(verify)
    assert results == [None] * 20
    assert issuer.fetches == 1


async def test_remembered_key_ids_are_bounded_in_number_and_length(
    issuer: AuthorizationServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(f"{MODULE}._MAX_ABSENT_KEY_IDS", 3)
    keys = JwksCache(issuer.jwks_url, cooldown=0)
    for number in range(5):
        assert await keys.find(f"unknown-{number}", "RS256") == []
    assert list(keys._absent) == ["unknown-2", "unknown-3", "unknown-4"]
    assert await keys.find("k" * 257, "RS256") == []
    assert issuer.fetches == 5


async def test_a_compressed_set_is_accepted(scripted: ScriptedServer, issuer: AuthorizationServer) -> None:
    body = gzip.compress(json.dumps({"keys": [key.published for key in issuer.keys]}).encode())
    scripted.acts = [respond(200, body, Content_Encoding="gzip")]
    assert await verifier_for(issuer, f"{scripted.url}/jwks").verify(issuer.token()) is not None
    assert scripted.requests[0].headers["accept-encoding"] == "identity"


async def test_a_compressed_set_is_bounded_before_it_is_decompressed(
    scripted: ScriptedServer, issuer: AuthorizationServer
) -> None:
    body = gzip.compress(b'{"keys": [' + b" " * 100_000_000 + b"]}")
    scripted.acts = [respond(200, body, Content_Encoding="gzip")]
    verifier = verifier_for(issuer, f"{scripted.url}/jwks")
    tracemalloc.start()
    try:
        with pytest.raises(KeysUnavailableError):
            await verifier.verify(issuer.token())
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < 10_000_000


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
