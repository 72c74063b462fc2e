"""JWTs of an OAuth 2.1 authorization server (RFC 9068, and the variants of Entra, Okta, Auth0 and Keycloak)."""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Collection, Iterator
from typing import Any, Final

import jwt
from jwt.exceptions import InvalidSignatureError, InvalidTokenError, PyJWTError
from mcp.server.auth.provider import AccessToken

from customerio_track_mcp.http.auth.jwks import JwksCache
from customerio_track_mcp.http.auth.scopes import KNOWN_SCOPES, TOOL_SCOPES

logger = logging.getLogger("customerio_track_mcp.http")

ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Those with a public key: with the others, whoever can verify a token can forge one."""

_TYPES: Final = (None, "jwt", "at+jwt", "application/at+jwt")
"""Values of `typ`, in lower case. RFC 9068 requires `at+jwt`; Entra, Auth0 and Keycloak send `JWT`, others none.
Another type, such as `logout+jwt` or `dpop+jwt`, is not an access token (RFC 8725, section 3.11)."""

_MAX_TOKEN_CHARACTERS: Final = 16_384
_CLOCK_SKEW_SECONDS: Final = 30
_MAX_SUBJECT_CHARACTERS: Final = 255
"""OpenID Connect Core, section 2. A longer subject is replaced by its digest."""
_MAX_OTHER_SCOPES: Final = 32
"""Scopes that this service does not know are only repeated in a scope challenge, so that clients do not lose them."""
_OTHER_SCOPE: Final = re.compile(r"[\x21\x23-\x5B\x5D-\x7E]{1,64}")
"""RFC 6749, section 3.3: other characters could inject into a response header."""
_LOGGABLE_CLIENT: Final = re.compile(r"[A-Za-z0-9._:/-]{1,64}")
"""A client id that may be logged; with an @ it could be an email address."""


class NotAnAccessTokenError(InvalidTokenError):
    """A JWT of another type that the same authorization server issues: a logout token, a DPoP proof."""


class ProofOfPossessionError(InvalidTokenError):
    """An access token that is bound to a key (`cnf`); without a proof of that key, it may be stolen."""


class UnknownKeyError(InvalidTokenError):
    """The authorization server publishes no usable key with the token's `kid` for its algorithm."""


class JwtVerifier:
    """Verifies JWTs with the keys that the authorization server publishes.

    Args:
        issuer: the required value of `iss`, compared exactly.
        keys: the authorization server's keys.
        audience: the required value, or one of the values, of `aud`.
        tool_scopes: False lets every token use every tool.
        required_scopes: the scopes that every token must have; the caller of `verify` checks them.
    """

    def __init__(
        self,
        issuer: str,
        keys: JwksCache,
        audience: str,
        *,
        tool_scopes: bool = True,
        required_scopes: Collection[str] = (),
    ) -> None:
        self._issuer = issuer
        self._audience = audience
        self._granted: frozenset[str] = frozenset() if tool_scopes else TOOL_SCOPES
        self._known_scopes = KNOWN_SCOPES | frozenset(required_scopes)
        self._keys = keys

    async def verify(self, token: str) -> AccessToken | None:
        """Return whose token it is; None if it is not valid.

        Raises:
            KeysUnavailableError: the keys to verify it with are not available.
        """
        if token.count(".") != 2 or len(token) > _MAX_TOKEN_CHARACTERS:
            return None
        try:
            header = jwt.get_unverified_header(token)
            key_id, algorithm = header.get("kid"), header.get("alg")
            if not isinstance(key_id, str) or algorithm not in ALGORITHMS:
                return None
            _require_access_token(header)
            keys = await self._keys.find(key_id, algorithm)
            return self._access(self._claims(token, keys))
        except (PyJWTError, ValueError, RecursionError) as error:
            # PyJWT's message can quote the token.
            logger.info("JWT refused", extra={"error": type(error).__name__})
            return None

    def _claims(self, token: str, keys: list[jwt.PyJWK]) -> dict[str, Any]:
        """Return the claims, verified with any of the keys: during a rotation, two keys can have one id."""
        if not keys:
            raise UnknownKeyError
        for key in keys:
            try:
                claims = jwt.decode(
                    token,
                    key,
                    algorithms=ALGORITHMS,
                    audience=self._audience,
                    issuer=self._issuer,
                    leeway=_CLOCK_SKEW_SECONDS,
                    options={"require": ["exp", "iss", "aud"]},
                )
            except InvalidSignatureError:
                continue
            if "cnf" in claims:
                raise ProofOfPossessionError
            if isinstance(claims.get("events"), dict):
                raise NotAnAccessTokenError  # a security event (RFC 8417), such as a logout token without its `typ`
            return claims
        raise InvalidSignatureError

    def _access(self, claims: dict[str, Any]) -> AccessToken:
        client = _client(claims)
        return AccessToken(
            token="",
            client_id=f"oauth:{client if _LOGGABLE_CLIENT.fullmatch(client) else 'unnamed'}",
            scopes=sorted(self._scopes(claims) | self._granted),
            expires_at=int(claims["exp"]) + _CLOCK_SKEW_SECONDS,
            subject=_bounded(claims.get("sub") or client),
            claims={"iss": self._issuer},
        )

    def _scopes(self, claims: dict[str, Any]) -> frozenset[str]:
        granted = dict.fromkeys(_granted_scopes(claims))
        known = self._known_scopes.intersection(granted)
        others = [scope for scope in granted if scope not in known and _OTHER_SCOPE.fullmatch(scope)]
        return known | frozenset(others[:_MAX_OTHER_SCOPES])


def _require_access_token(header: dict[str, Any]) -> None:
    """Check the JOSE header.

    Raises:
        NotAnAccessTokenError: it is not that of an access token, or names an extension as critical (RFC 7515, section
            4.1.11).
    """
    kind = header.get("typ")
    if (kind.lower() if isinstance(kind, str) else kind) not in _TYPES or "crit" in header:
        raise NotAnAccessTokenError


def _client(claims: dict[str, Any]) -> str:
    """Return the client id, from whichever claim the authorization server puts it in."""
    values = (claims.get(name) for name in ("client_id", "azp", "appid"))
    return next((value for value in values if isinstance(value, str) and value), "")


def _bounded(subject: str) -> str:
    if len(subject) <= _MAX_SUBJECT_CHARACTERS:
        return subject
    return hashlib.sha256(subject.encode("utf-8", "surrogatepass")).hexdigest()


def _granted_scopes(claims: dict[str, Any]) -> Iterator[str]:
    for name in ("scope", "scp"):
        value = claims.get(name)
        if isinstance(value, str):
            yield from value.split()
        elif isinstance(value, list):
            yield from (scope for scope in value if isinstance(scope, str))
