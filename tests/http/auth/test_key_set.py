"""Which keys of a JWK set are used, and for which algorithms."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest
from jwt.algorithms import RSAAlgorithm

from customerio_track_mcp.http.auth.key_set import KeySet, parse_key_set
from tests.support.authorization_server import Key

KEY: Final = Key("first")
SMALL: Final = Key("small", bits=1024)


def parse(*keys: object) -> KeySet:
    return parse_key_set(json.dumps({"keys": keys}).encode())


def private(key: Key) -> dict[str, Any]:
    return key.published | RSAAlgorithm.to_jwk(key.private, as_dict=True)


@pytest.mark.parametrize(
    ("unusable", "reason"),
    [
        (SMALL.published, "an RSA key that does not have 2048 to 8192 bits"),
        ({name: value for name, value in SMALL.published.items() if name != "alg"}, "an RSA key that does not have"),
        (KEY.published | {"n": "_" * 1400}, "an RSA key that does not have 2048 to 8192 bits"),
        (private(KEY), "not a public key"),
        ({"kty": "oct", "kid": "secret", "alg": "HS256", "k": "A" * 64}, "not a public key"),
        ({"kty": "RSA", "kid": "x"}, "not a valid key of a supported type"),
        ({"kty": "EC", "kid": "x", "crv": "P-256", "x": "AAAA", "y": "AAAA"}, "not a valid key of a supported type"),
        (KEY.published | {"alg": ["RS256"]}, "not a valid key of a supported type"),
        (KEY.published | {"alg": "none"}, "not a valid key of a supported type"),
        (KEY.published | {"kty": "future"}, "not a valid key of a supported type"),
        (KEY.published | {"n": 5}, "not a valid key of a supported type"),
        (KEY.published | {"kid": "k" * 257}, "no kid of at most 256 characters"),
        (KEY.published | {"kid": 1}, "no kid of at most 256 characters"),
    ],
)
def test_an_unusable_key_is_left_out_with_a_reason_and_does_not_affect_the_others(
    unusable: dict[str, Any], reason: str
) -> None:
    found = parse(unusable, KEY.published | {"kid": "good"})
    assert list(found.keys) == ["good"]
    (left_out,) = found.left_out
    assert left_out.startswith(reason)
    assert parse(unusable).keys == {}


def test_keys_for_encryption_and_values_that_are_not_keys_are_ignored() -> None:
    found = parse(KEY.published | {"use": "enc"}, 1, None, [], "key")
    assert (found.keys, found.left_out) == ({}, [])


def test_all_keys_with_one_id_are_found_for_the_algorithm() -> None:
    without_algorithm = {name: value for name, value in KEY.published.items() if name != "alg"}
    curve = Key("first", "ES256")
    found = parse(KEY.published, without_algorithm, curve.published, Key("second").published)
    assert [key.algorithm_name for key in found.find("first", "RS256")] == ["RS256", "RS256"]
    assert [key.algorithm_name for key in found.find("first", "PS512")] == ["PS512"]
    assert [key.algorithm_name for key in found.find("first", "ES256")] == ["ES256"]
    assert found.find("first", "EdDSA") == []
    assert found.find("third", "RS256") == []


@pytest.mark.parametrize("document", [b"", b"[]", b"{}", b'{"keys": {}}', b'{"keys": "x"}', b'{"keys": null}', b"\xff"])
def test_a_document_that_is_not_a_key_set_is_an_error(document: bytes) -> None:
    with pytest.raises(ValueError, match=r"not a JWK set|Expecting value|codec"):
        parse_key_set(document)


def test_the_number_of_keys_is_bounded() -> None:
    assert list(parse(*[KEY.published] * 100).keys) == ["first"]
    with pytest.raises(ValueError, match="too many keys"):
        parse(*[KEY.published] * 101)
