"""JWTs of an OAuth 2.1 authorization server (RFC 9068, and what Entra, Okta, Auth0 and Keycloak make of it)."""

from __future__ import annotations

import logging
import math
import time
from typing import Any, Final

import jwt
from anyio import to_thread
from jwt.exceptions import PyJWKClientConnectionError, PyJWKClientError, PyJWTError
from mcp.server.auth.provider import AccessToken
from starlette.authentication import AuthenticationError

from customerio_track_mcp.http.scopes import TOOL_SCOPES

logger = logging.getLogger(__name__)

ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""Those with a public key: with the others, who can check a token can make one."""

_LONGEST: Final = 16_384
_CLOCK_SKEW_SECONDS: Final = 30
_FETCH_TIMEOUT_SECONDS: Final = 5
_KEYS_LIVE_SECONDS: Final = 300
_KEYS_SERVE_SECONDS: Final = 3600


class KeysUnavailableError(AuthenticationError):
    """The authorization server's keys can't be had, so that no JWT can be judged."""


class JwtVerifier:
    """Verifies JWTs by the keys that the authorization server publishes.

    Keys are kept for five minutes. An unknown key id makes them be fetched again, at most each `cooldown` seconds;
    while the server can't be reached, keys fetched within the last hour serve on.

    Args:
        issuer: what `iss` has to be, to the letter.
        jwks_url: where the keys are.
        audience: what `aud` has to be or hold.
        tool_scopes: False lets every token use every tool.
        cooldown: seconds between two fetches because of an unknown key id.
    """

    def __init__(
        self,
        issuer: str,
        jwks_url: str,
        audience: str,
        *,
        tool_scopes: bool = True,
        cooldown: float = 10.0,
    ) -> None:
        self._issuer = issuer
        self._audience = audience
        self._granted: frozenset[str] = frozenset() if tool_scopes else TOOL_SCOPES
        self._keys = _Keys(
            jwks_url, timeout=_FETCH_TIMEOUT_SECONDS, lifespan=_KEYS_LIVE_SECONDS, cooldown_duration=cooldown
        )

    async def verify(self, token: str) -> AccessToken | None:
        """Whose token it is; None where it is not valid.

        Raises:
            KeysUnavailableError: that can't be told.
        """
        if token.count(".") != 2 or len(token) > _LONGEST:
            return None
        try:
            # The key may have to be fetched, which blocks.
            key = await to_thread.run_sync(self._keys.get_signing_key_from_jwt, token)
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=ALGORITHMS,
                audience=self._audience,
                issuer=self._issuer,
                leeway=_CLOCK_SKEW_SECONDS,
                options={"require": ["exp", "iss", "aud"]},
            )
        except PyJWKClientConnectionError:
            raise KeysUnavailableError from None
        except (PyJWTError, PyJWKClientError, ValueError) as error:
            # What PyJWT says can quote the token.
            logger.info("JWT refused", extra={"error": type(error).__name__})
            return None
        subject = claims.get("sub")
        return AccessToken(
            token="",
            client_id=_client(claims),
            scopes=sorted(_scopes(claims) | self._granted),
            expires_at=int(claims["exp"]) + _CLOCK_SKEW_SECONDS,
            subject=str(subject) if subject is not None else None,
            claims={"iss": self._issuer},
        )


class _Keys(jwt.PyJWKClient):
    """Keys that outlive an outage of the server that publishes them."""

    _last: Any = None
    _last_at = -math.inf
    _failed_at = -math.inf

    def fetch_data(self) -> Any:
        now = time.monotonic()
        # Whoever comes while the server is away must not wait for it each time.
        if now - self._failed_at >= self.cooldown_duration:
            try:
                self._last, self._last_at = super().fetch_data(), now
            except (PyJWTError, ValueError) as error:
                self._failed_at = time.monotonic()
                logger.warning(
                    "the keys of the authorization server can't be had", extra={"error": type(error).__name__}
                )
        if now - self._last_at > _KEYS_SERVE_SECONDS:
            raise PyJWKClientConnectionError("the keys can't be had")
        return self._last


def _client(claims: dict[str, Any]) -> str:
    """The application's id, wherever the authorization server puts it."""
    found = next((claims[name] for name in ("client_id", "azp", "appid") if claims.get(name)), "oauth")
    return str(found)[:64]


def _scopes(claims: dict[str, Any]) -> frozenset[str]:
    found: set[str] = set()
    for name in ("scope", "scp"):
        told = claims.get(name)
        if isinstance(told, str):
            found.update(told.split())
        elif isinstance(told, list):
            found.update(str(scope) for scope in told)
    return frozenset(found)
