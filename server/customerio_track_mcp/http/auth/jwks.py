"""The public keys of an authorization server: fetched, kept, rotated, and had for a while when it is away."""

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

_FETCH_SECONDS: Final = 5.0
_FETCH_BYTES: Final = 1_048_576
_FRESH_SECONDS: Final = 300.0
_SERVE_SECONDS: Final = 3600.0


class KeysUnavailableError(AuthenticationError):
    """The authorization server's keys can't be had, so that no JWT can be judged."""


class Keys:
    """The keys at one JWKS URL (RFC 7517).

    Keys are fresh for five minutes, and nobody waits for one that is. An unknown key id, or a key that is no longer
    fresh, leads to a fetch: one at a time, and each `cooldown` seconds at most. Where that fails, keys of the last hour
    serve on. A fetch has five seconds for all of it, follows no redirect, and reads no more than 1 MiB.

    Args:
        url: where the keys are.
        cooldown: seconds between two fetches.
    """

    def __init__(self, url: str, cooldown: float) -> None:
        self._url = url
        self._cooldown = cooldown
        self._keys: Mapping[str, PyJWK | dict[str, Any]] = {}
        self._fetched_at = -math.inf
        self._fetch_again_at = -math.inf
        self._failed = False
        self._fetching = anyio.Lock()

    async def find(self, key_id: str, algorithm: str) -> PyJWK | None:
        """The key of that id; None where the authorization server has none.

        Args:
            key_id: the `kid` of a token.
            algorithm: the token's, for a key that names none.

        Raises:
            KeysUnavailableError: that can't be told.
            PyJWTError: the key is not one for that algorithm.
        """
        known = key_id in self._keys and self._age() <= _SERVE_SECONDS
        # While somebody else fetches, a key that is only no longer fresh will do.
        if not known or (self._age() > _FRESH_SECONDS and not self._fetching.locked()):
            await self._refresh()
        if self._age() > _SERVE_SECONDS:
            raise KeysUnavailableError
        key = self._keys.get(key_id)
        if key is None:
            if self._failed:
                # It may be a new key, which could not be fetched.
                raise KeysUnavailableError
            return None
        return key if isinstance(key, PyJWK) else PyJWK(key, algorithm)

    def _age(self) -> float:
        return anyio.current_time() - self._fetched_at

    async def _refresh(self) -> None:
        async with self._fetching:
            if anyio.current_time() < self._fetch_again_at:
                return
            self._failed = True
            try:
                with anyio.fail_after(_FETCH_SECONDS):
                    self._keys = _usable(await self._fetch())
            except Exception as error:  # noqa: BLE001 - whatever the other side sends, old keys serve on
                kind = type(error).__name__
                logger.warning("the keys of the authorization server can't be had", extra={"error": kind})
            else:
                self._failed, self._fetched_at = False, anyio.current_time()
            self._fetch_again_at = anyio.current_time() + self._cooldown

    async def _fetch(self) -> bytes:
        body = b""
        async with httpx.AsyncClient(timeout=_FETCH_SECONDS) as http, http.stream("GET", self._url) as answer:
            if answer.status_code != httpx.codes.OK:
                raise httpx.HTTPStatusError("no keys", request=answer.request, response=answer)
            async for part in answer.aiter_bytes():
                body += part
                if len(body) > _FETCH_BYTES:
                    raise ValueError("too large")
        return body


def _usable(body: bytes) -> Mapping[str, PyJWK | dict[str, Any]]:
    """The keys for signatures, by their ids; those that name no algorithm (RFC 7517, section 4.4) as they came."""
    told = json.loads(body)
    usable = {key.key_id: key for key in PyJWKSet.from_dict(told).keys if key.public_key_use in ("sig", None)}
    unnamed = {key.get("kid"): key for key in told["keys"] if not key.get("alg")}
    return {key_id: unnamed.get(key_id, key) for key_id, key in usable.items() if key_id}
