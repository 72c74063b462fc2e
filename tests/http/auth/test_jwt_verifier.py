"""Which JWTs the service accepts, and which name and scopes their callers get."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from typing import Any, Final

import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from customerio_track_mcp.http.auth.jwks import JwksCache
from customerio_track_mcp.http.auth.jwt_verifier import JwtVerifier
from customerio_track_mcp.sandbox import RunningSandbox
from tests.support.authorization_server import AUDIENCE, AuthorizationServer, Key, oauth_service
from tests.support.http_service import bearer, call


def unsigned(issuer: AuthorizationServer, algorithm: str) -> str:
    """Return a token whose header says that it needs no signature."""
    parts = [{"alg": algorithm, "typ": "JWT", "kid": "first"}, {"iss": issuer.url, "aud": AUDIENCE, "exp": 2**33}]
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts) + "."


def signed_with_the_public_key(issuer: AuthorizationServer) -> str:
    """Return a token for an algorithm confusion attack: its HMAC secret is the public key, which everybody has."""
    pem = issuer.keys[0].private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    head, body, _ = jwt.encode(
        {"iss": issuer.url, "aud": AUDIENCE, "exp": 2**33}, "s" * 64, "HS256", headers={"kid": "first"}
    ).split(".")
    signature = jwt.get_algorithm_by_name("HS256").sign(f"{head}.{body}".encode(), pem)
    return f"{head}.{body}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"


def tampered(token: str) -> str:
    """Return the token with another subject and its old signature."""
    head, body, signature = token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    changed = base64.urlsafe_b64encode(json.dumps(claims | {"sub": "admin"}).encode()).decode().rstrip("=")
    return f"{head}.{changed}.{signature}"


def replaced(issuer: AuthorizationServer, token: str, old: bytes, new: bytes) -> str:
    """Return the token with other JSON in its claims, signed again."""
    claims = base64.urlsafe_b64decode(token.split(".")[1] + "==")
    assert old in claims
    return jwt.PyJWS().encode(claims.replace(old, new), issuer.keys[0].private, "RS256", headers={"kid": "first"})


def is_too_deep(text: bytes) -> bool:
    """Return whether this Python's JSON parser rejects a text: 3.13's accepts deeper nesting than 3.11's."""
    try:
        json.loads(text)
    except RecursionError:
        return True
    return False


NESTED: Final = b"[" * 5000 + b"]" * 5000
TOKENS: Final[dict[str, tuple[Callable[[AuthorizationServer], str], int]]] = {
    "valid": (lambda issuer: issuer.token(), 200),
    "one of several audiences": (lambda issuer: issuer.token(aud=["https://a.example", AUDIENCE]), 200),
    "expired within the clock skew": (lambda issuer: issuer.token(exp=int(time.time()) - 5), 200),
    "expired": (lambda issuer: issuer.token(exp=int(time.time()) - 60), 401),
    "no expiry": (lambda issuer: issuer.token(exp=None), 401),
    "not valid yet": (lambda issuer: issuer.token(nbf=int(time.time()) + 600), 401),
    "another audience": (lambda issuer: issuer.token(aud="https://other.example.com/mcp"), 401),
    "no audience": (lambda issuer: issuer.token(aud=None), 401),
    "another issuer": (lambda issuer: issuer.token(iss="https://evil.example"), 401),
    "no issuer": (lambda issuer: issuer.token(iss=None), 401),
    "unknown key": (lambda issuer: issuer.token(Key("unknown")), 401),
    "another key with a known id": (lambda issuer: issuer.token(Key("first")), 401),
    "no key id": (lambda issuer: issuer.token(headers={"kid": None}), 401),
    "alg none": (lambda issuer: unsigned(issuer, "none"), 401),
    "alg nOnE": (lambda issuer: unsigned(issuer, "nOnE"), 401),
    "a critical extension": (lambda issuer: issuer.token(headers={"crit": ["exp"], "exp": 2**33}), 401),
    "bound to a key": (lambda issuer: issuer.token(cnf={"jkt": "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I"}), 401),
    "bound to an unknown key": (lambda issuer: issuer.token(cnf={}), 401),
    "logout token without a type": (
        lambda issuer: issuer.token(events={"http://schemas.openid.net/event/backchannel-logout": {}}),
        401,
    ),
    "expires never": (lambda issuer: issuer.token(exp=float("inf")), 401),
    "expires at no number": (lambda issuer: issuer.token(exp=float("nan")), 401),
    "expires at a huge number": (lambda issuer: issuer.token(exp=10**4000), 200),
    "expires at a longer number than Python parses": (
        lambda issuer: replaced(issuer, issuer.token(exp=7), b'"exp":7', b'"exp":' + b"7" * 5000),
        401,
    ),
    "nested too deeply": (
        lambda issuer: replaced(issuer, issuer.token(x=7), b'"x":7', b'"x":' + NESTED),
        401 if is_too_deep(NESTED) else 200,
    ),
    "audiences of other types": (lambda issuer: issuer.token(aud=[AUDIENCE, 1, None]), 401),
    "subject of another type": (lambda issuer: issuer.token(sub=["user-1"]), 401),
    "lone surrogate in the subject": (lambda issuer: issuer.token(sub="\ud800"), 200),
    "HMAC with the public key": (signed_with_the_public_key, 401),
    "tampered with": (lambda issuer: tampered(issuer.token()), 401),
    "not base64": (lambda _: "a.b.c", 401),
    "too long": (lambda _: f"{'a' * 20_000}.b.c", 401),
    "not a JWT": (lambda _: "opaque", 401),
}


@pytest.mark.parametrize("name", TOKENS)
async def test_only_valid_jwts_are_accepted(
    sandbox: RunningSandbox, issuer: AuthorizationServer, name: str, caplog: pytest.LogCaptureFixture
) -> None:
    create, status = TOKENS[name]
    token = create(issuer)
    async with oauth_service(sandbox.url, issuer) as http:
        response = await http.post("/mcp", json=call(), headers=bearer(token))
    assert response.status_code == status
    assert len(list(sandbox.workspace.events)) == (status == 200)
    assert token not in caplog.text
    if status == 401:
        assert 'error="invalid_token"' in response.headers["www-authenticate"]


@pytest.mark.parametrize(
    ("kind", "accepted"),
    [
        (None, True),
        ("JWT", True),
        ("jwt", True),
        ("at+jwt", True),
        ("AT+JWT", True),
        ("application/at+jwt", True),
        ("logout+jwt", False),
        ("dpop+jwt", False),
        ("secevent+jwt", False),
        ("token-introspection+jwt", False),
        ("application/jwt", False),
        ("id+jwt", False),
        ("", False),
        (["JWT"], False),
        (1, False),
    ],
)
async def test_only_access_tokens_are_accepted(
    issuer: AuthorizationServer, kind: object, accepted: bool, caplog: pytest.LogCaptureFixture
) -> None:
    verifier = JwtVerifier(issuer.url, JwksCache(issuer.jwks_url, cooldown=0), AUDIENCE)
    claims = jwt.decode(issuer.token(), options={"verify_signature": False})
    header = json.dumps({"alg": "RS256", "kid": "first"} | ({} if kind is None else {"typ": kind})).encode()
    signed = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in (header, json.dumps(claims).encode()))
    signature = jwt.get_algorithm_by_name("RS256").sign(signed, issuer.keys[0].private)
    token = b".".join([signed, base64.urlsafe_b64encode(signature).rstrip(b"=")]).decode()
    caplog.set_level("INFO")
    assert (await verifier.verify(token) is not None) == accepted
    errors = [vars(record)["error"] for record in caplog.records if record.message == "JWT refused"]
    assert errors == ([] if accepted else ["NotAnAccessTokenError"])


@pytest.mark.filterwarnings("ignore:The RSA key is 1024 bits long")  # PyJWT, when the test signs
async def test_keys_under_2048_bits_are_not_accepted(sandbox: RunningSandbox, issuer: AuthorizationServer) -> None:
    issuer.keys = [Key("small", bits=1024), Key("first")]
    async with oauth_service(sandbox.url, issuer) as http:
        for key, status in zip(issuer.keys, (401, 200), strict=True):
            assert (await http.post("/mcp", json=call(), headers=bearer(issuer.token(key)))).status_code == status


async def test_every_key_with_the_same_id_is_tried(sandbox: RunningSandbox, issuer: AuthorizationServer) -> None:
    issuer.keys = [Key("same"), Key("same", "ES256"), Key("same")]
    async with oauth_service(sandbox.url, issuer) as http:
        for key, status in [*((key, 200) for key in issuer.keys), (Key("same"), 401)]:
            assert (await http.post("/mcp", json=call(), headers=bearer(issuer.token(key)))).status_code == status


async def test_a_token_with_many_scopes_is_not_repeated_in_the_challenge(
    sandbox: RunningSandbox, issuer: AuthorizationServer
) -> None:
    others = " ".join(f"s{number:04}" for number in range(1500))
    async with oauth_service(sandbox.url, issuer, required_scopes="mcp extra") as http:
        token = issuer.token(scope=f"offline_access {'x' * 65} {others} customers:write mcp")
        response = await http.post("/mcp", json=call(), headers=bearer(token))
        assert response.status_code == 403
        challenge = response.headers["www-authenticate"]
        scopes = challenge.partition('scope="')[2].partition('"')[0].split()
        assert {"offline_access", "customers:write", "events:write", "mcp", "extra"} < set(scopes)
        assert "x" * 65 not in scopes
        assert len(scopes) == 36
        # Scopes that decide are found behind any number of others.
        token = issuer.token(scope=f"{others} events:write mcp extra")
        assert (await http.post("/mcp", json=call(), headers=bearer(token))).status_code == 200


async def test_the_subject_is_bounded_and_remains_unique(issuer: AuthorizationServer) -> None:
    verifier = JwtVerifier(issuer.url, JwksCache(issuer.jwks_url, cooldown=0), AUDIENCE)

    async def subject(sub: str) -> str | None:
        access = await verifier.verify(issuer.token(sub=sub))
        assert access is not None
        return access.subject

    assert await subject("x" * 255) == "x" * 255
    long = [await subject("x" * 9000 + end) for end in ("a", "b", "\ud800")]
    assert len(set(long)) == 3
    assert all(len(found or "") == 64 for found in long)


async def test_elliptic_curve_keys_are_supported(sandbox: RunningSandbox, issuer: AuthorizationServer) -> None:
    issuer.keys = [Key("curve", "ES256")]
    async with oauth_service(sandbox.url, issuer) as http:
        assert (await http.post("/mcp", json=call(), headers=bearer(issuer.token()))).status_code == 200


class KeyWithoutAlgorithm(Key):
    """A key that is published without its algorithm, which RFC 7517 leaves optional."""

    @property
    def published(self) -> dict[str, Any]:
        return {name: value for name, value in super().published.items() if name != "alg"}


@pytest.mark.parametrize(("algorithm", "status"), [("RS256", 200), ("RS512", 200), ("PS256", 200), ("HS256", 401)])
async def test_key_without_algorithm_accepts_any_algorithm_of_its_type(
    sandbox: RunningSandbox, issuer: AuthorizationServer, algorithm: str, status: int
) -> None:
    key = KeyWithoutAlgorithm("first")
    issuer.keys = [key]
    token = issuer.token()
    if algorithm == "HS256":
        token = signed_with_the_public_key(issuer)
    elif algorithm != "RS256":
        claims = jwt.decode(token, options={"verify_signature": False})
        token = jwt.encode(claims, key.private, algorithm, headers={"kid": "first"})
    async with oauth_service(sandbox.url, issuer) as http:
        assert (await http.post("/mcp", json=call(), headers=bearer(token))).status_code == status


@pytest.mark.parametrize(
    ("claims", "name"),
    [
        ({}, "oauth:agent"),
        ({"client_id": None, "azp": "https://app.example/1"}, "oauth:https://app.example/1"),
        ({"client_id": "ann@example.com"}, "oauth:unnamed"),
        ({"client_id": {"a": 1}}, "oauth:unnamed"),
        ({"client_id": ["agent"], "appid": "other"}, "oauth:other"),
        ({"client_id": "x" * 65}, "oauth:unnamed"),
        ({"client_id": None}, "oauth:unnamed"),
    ],
)
async def test_client_id_names_the_caller_unless_it_could_be_personal(
    issuer: AuthorizationServer, claims: dict[str, Any], name: str
) -> None:
    verifier = JwtVerifier(issuer.url, JwksCache(issuer.jwks_url, cooldown=0), AUDIENCE)
    access = await verifier.verify(issuer.token(**claims))
    assert access is not None
    assert (access.client_id, access.token) == (name, "")
