"""The public keys of an authorization server: fetched, cached, rotated, and kept for a while if it is down."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Mapping
from typing import Any, Final

import anyio
import httpx
from jwt import PyJWK, PyJWKSet
from starlette.authentication import AuthenticationError

logger = logging.getLogger("customerio_track_mcp.http")

_FETCH_TIMEOUT: Final = 5.0
_MAX_FETCH_BYTES: Final = 1_048_576
_FRESH_SECONDS: Final = 300.0
_USABLE_SECONDS: Final = 3600.0


class KeysUnavailableError(AuthenticationError):
    """The authorization server's keys are not available, so no JWT can be verified."""


class JwksCache:
    """The keys at one JWKS URL (RFC 7517).

    It replaces `jwt.PyJWKClient`, which fetches synchronously (https://github.com/jpadilla/pyjwt/issues/1120), and for
    every unknown key id (https://github.com/jpadilla/pyjwt/issues/929).

    Keys are fresh for five minutes, and a fresh key is returned without waiting. An unknown key id, or a key that is no
    longer fresh, causes a fetch: one at a time, and at most one per `cooldown` seconds. If it fails, keys fetched in
    the last hour remain valid. A fetch may take five seconds, follows no redirect, and reads at most 1 MiB.

    Args:
        url: where the keys are published.
        cooldown: minimum seconds between two fetches.
    """

    def __init__(self, url: str, cooldown: float) -> None:
        self._url = url
        self._cooldown = cooldown
        self._keys: Mapping[str, PyJWK | dict[str, Any]] = {}
        self._fetched_at = -math.inf
        self._next_fetch_at = -math.inf
        self._failed = False
        self._fetching = anyio.Lock()

    async def find(self, key_id: str, algorithm: str) -> PyJWK | None:
        """Return the key with that id; None if the authorization server has none.

        Args:
            key_id: the `kid` of a token.
            algorithm: the token's, for a key that names none.

        Raises:
            KeysUnavailableError: the keys could not be fetched.
            PyJWTError: the key is not for that algorithm.
        """
        known = key_id in self._keys and self._age() <= _USABLE_SECONDS
        # During a fetch, a key that is only no longer fresh is good enough.
        if not known or (self._age() > _FRESH_SECONDS and not self._fetching.locked()):
            await self._refresh()
        if self._age() > _USABLE_SECONDS:
            raise KeysUnavailableError
        key = self._keys.get(key_id)
        if key is None:
            if self._failed:
                # It may be a new key that could not be fetched.
                raise KeysUnavailableError
            return None
        return key if isinstance(key, PyJWK) else PyJWK(key, algorithm)

    def _age(self) -> float:
        return anyio.current_time() - self._fetched_at

    async def _refresh(self) -> None:
        async with self._fetching:
            if anyio.current_time() < self._next_fetch_at:
                return
            self._failed = True
            try:
                with anyio.fail_after(_FETCH_TIMEOUT):
                    self._keys = _usable(await self._fetch())
            except Exception as error:  # noqa: BLE001 - whatever the other side sends, old keys remain valid
                kind = type(error).__name__
                logger.warning("the keys of the authorization server can't be had", extra={"error": kind})
            else:
                self._failed, self._fetched_at = False, anyio.current_time()
            self._next_fetch_at = anyio.current_time() + self._cooldown

    async def _fetch(self) -> bytes:
        body = b""
        async with httpx.AsyncClient(timeout=_FETCH_TIMEOUT) as http, http.stream("GET", self._url) as response:
            if response.status_code != httpx.codes.OK:
                raise httpx.HTTPStatusError("no keys", request=response.request, response=response)
            async for chunk in response.aiter_bytes():
                body += chunk
                if len(body) > _MAX_FETCH_BYTES:
                    raise ValueError("too large")
        return body


def _usable(body: bytes) -> Mapping[str, PyJWK | dict[str, Any]]:
    """Return the keys for signatures by id; those that name no algorithm (RFC 7517, section 4.4) as received."""
    document = json.loads(body)
    usable = {key.key_id: key for key in PyJWKSet.from_dict(document).keys if key.public_key_use in ("sig", None)}
    unnamed = {key.get("kid"): key for key in document["keys"] if not key.get("alg")}
    return {key_id: unnamed.get(key_id, key) for key_id, key in usable.items() if key_id}
