"""A JWK set (RFC 7517): which of its keys can verify the signature of a JWT."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed448 import Ed448PublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt import PyJWK
from jwt.exceptions import PyJWTError

MAX_KEY_ID_CHARACTERS: Final = 256
"""Maximum length of a `kid`. Authorization servers use digests, UUIDs and numbers."""

_MAX_KEYS: Final = 100
"""Maximum keys of a set. Authorization servers publish two or three, those of many tenants some dozens."""

_MIN_RSA_BITS: Final = 2048
"""RFC 7518, section 3.3."""
_MAX_RSA_BITS: Final = 8192
"""The time to verify a signature grows with the square of the size."""

_PUBLIC_KEYS: Final = (RSAPublicKey, EllipticCurvePublicKey, Ed25519PublicKey, Ed448PublicKey)
"""Types of public keys. With any other key, whoever reads the set can sign tokens."""


@dataclass(frozen=True, slots=True)
class KeySet:
    """The keys of an authorization server.

    Attributes:
        keys: the usable keys by id; several can have the same one.
        left_out: why keys for signatures are not usable, one reason for each.
    """

    keys: Mapping[str, Sequence[_Key]] = field(default_factory=dict)
    left_out: Sequence[str] = ()

    def find(self, key_id: str, algorithm: str) -> list[PyJWK]:
        """Return the keys with that id for that algorithm."""
        return [found for key in self.keys.get(key_id, ()) if (found := key.for_algorithm(algorithm))]


@dataclass(frozen=True, slots=True)
class _Key:
    """A usable key.

    Attributes:
        jwk: the key with the algorithm it names, or with one of its type.
        document: the key as received, if it names no algorithm (RFC 7517, section 4.4).
    """

    jwk: PyJWK
    document: dict[str, Any] | None

    def for_algorithm(self, algorithm: str) -> PyJWK | None:
        if self.jwk.algorithm_name == algorithm:
            return self.jwk
        if self.document is None:
            return None
        try:
            return PyJWK(self.document, algorithm)
        except (PyJWTError, TypeError, ValueError):
            return None


class _UnusableKeyError(Exception):
    """A key cannot be used; the message says why, without anything of the key."""


def parse_key_set(document: bytes) -> KeySet:
    """Return the keys for signatures in a JWK set. A key that cannot be used does not affect the others.

    Raises:
        ValueError: it is not a JWK set, or has more than 100 keys.
        RecursionError: it is nested too deeply.
    """
    parsed = json.loads(document)
    published = parsed.get("keys") if isinstance(parsed, dict) else None
    if not isinstance(published, list):
        raise ValueError("not a JWK set")  # noqa: TRY004 - the type of a value in JSON
    if len(published) > _MAX_KEYS:
        raise ValueError("too many keys")
    keys: dict[str, list[_Key]] = {}
    left_out: list[str] = []
    for jwk in _for_signatures(published):
        try:
            keys.setdefault(_key_id(jwk), []).append(_key(jwk))
        except _UnusableKeyError as error:
            left_out.append(str(error))
    return KeySet({key_id: found for key_id, found in keys.items() if found}, left_out)


def _for_signatures(published: list[Any]) -> Iterator[dict[str, Any]]:
    return (jwk for jwk in published if isinstance(jwk, dict) and jwk.get("use") in ("sig", None))


def _key_id(jwk: dict[str, Any]) -> str:
    key_id = jwk.get("kid")
    if not isinstance(key_id, str) or not 0 < len(key_id) <= MAX_KEY_ID_CHARACTERS:
        raise _UnusableKeyError(f"no kid of at most {MAX_KEY_ID_CHARACTERS} characters")
    return key_id


def _key(jwk: dict[str, Any]) -> _Key:
    try:
        key = PyJWK(jwk)
    except Exception:  # noqa: BLE001 - PyJWT raises many kinds for a value of another type, or for "none"
        raise _UnusableKeyError("not a valid key of a supported type") from None
    if not isinstance(key.key, _PUBLIC_KEYS):
        raise _UnusableKeyError("not a public key")
    if isinstance(key.key, RSAPublicKey) and not _MIN_RSA_BITS <= key.key.key_size <= _MAX_RSA_BITS:
        raise _UnusableKeyError(f"an RSA key that does not have {_MIN_RSA_BITS} to {_MAX_RSA_BITS} bits")
    return _Key(key, None if jwk.get("alg") else jwk)
