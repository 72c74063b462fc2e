"""JWTs of an OAuth 2.1 authorization server (RFC 9068, and the variants of Entra, Okta, Auth0 and Keycloak)."""

from __future__ import annotations

import logging
import re
from typing import Any, Final

import jwt
from jwt.exceptions import PyJWTError
from mcp.server.auth.provider import AccessToken

from customerio_track_mcp.http.auth.jwks import JwksCache
from customerio_track_mcp.http.auth.scopes import TOOL_SCOPES

logger = logging.getLogger("customerio_track_mcp.http")

ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Those with a public key: with the others, whoever can verify a token can forge one."""

_MAX_TOKEN_CHARACTERS: Final = 16_384
_CLOCK_SKEW_SECONDS: Final = 30
_SCOPE: Final = re.compile(r"[\x21\x23-\x5B\x5D-\x7E]+")
"""RFC 6749, section 3.3: other characters could inject into a response header."""
_LOGGABLE_CLIENT: Final = re.compile(r"[A-Za-z0-9._:/-]{1,64}")
"""A client id that may be logged; with an @ it could be an email address."""


class JwtVerifier:
    """Verifies JWTs with the keys that the authorization server publishes.

    Args:
        issuer: the required value of `iss`, compared exactly.
        keys: the authorization server's keys.
        audience: the required value, or one of the values, of `aud`.
        tool_scopes: False lets every token use every tool.
    """

    def __init__(self, issuer: str, keys: JwksCache, audience: str, *, tool_scopes: bool = True) -> None:
        self._issuer = issuer
        self._audience = audience
        self._granted: frozenset[str] = frozenset() if tool_scopes else TOOL_SCOPES
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
            key = await self._keys.find(key_id, algorithm)
            if key is None:
                return None
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=ALGORITHMS,
                audience=self._audience,
                issuer=self._issuer,
                leeway=_CLOCK_SKEW_SECONDS,
                options={"require": ["exp", "iss", "aud"]},
            )
        except (PyJWTError, ValueError, RecursionError) as error:
            # PyJWT's message can quote the token.
            logger.info("JWT refused", extra={"error": type(error).__name__})
            return None
        client = _client(claims)
        return AccessToken(
            token="",
            client_id=f"oauth:{client if _LOGGABLE_CLIENT.fullmatch(client) else 'unnamed'}",
            scopes=sorted(_scopes(claims) | self._granted),
            expires_at=int(claims["exp"]) + _CLOCK_SKEW_SECONDS,
            subject=str(claims.get("sub") or client),
            claims={"iss": self._issuer},
        )


def _client(claims: dict[str, Any]) -> str:
    """Return the client id, from whichever claim the authorization server puts it in."""
    return str(next((claims[name] for name in ("client_id", "azp", "appid") if claims.get(name)), ""))


def _scopes(claims: dict[str, Any]) -> frozenset[str]:
    found: set[str] = set()
    for name in ("scope", "scp"):
        value = claims.get(name)
        if isinstance(value, str):
            found.update(value.split())
        elif isinstance(value, list):
            found.update(scope for scope in value if isinstance(scope, str))
    return frozenset(scope for scope in found if _SCOPE.fullmatch(scope))
