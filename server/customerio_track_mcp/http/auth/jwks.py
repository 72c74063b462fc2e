"""The public keys of an authorization server: fetched, cached, rotated, and kept for a while if it is down."""

from __future__ import annotations

import logging
import math
import zlib
from typing import Final

import anyio
import httpx
from jwt import PyJWK
from starlette.authentication import AuthenticationError

from customerio_track_mcp.http.auth.key_set import MAX_KEY_ID_CHARACTERS, KeySet, parse_key_set

logger = logging.getLogger("customerio_track_mcp.http")

_FETCH_TIMEOUT: Final = 5.0
_MAX_FETCH_BYTES: Final = 1_048_576
_FRESH_SECONDS: Final = 300.0
_USABLE_SECONDS: Final = 3600.0
_MAX_ABSENT_KEY_IDS: Final = 1000
"""Key ids that are known not to be published. Callers choose them, so their number is bounded."""

_GZIP: Final = 16 + zlib.MAX_WBITS


class KeysUnavailableError(AuthenticationError):
    """The authorization server's keys are not available, so the JWT cannot be verified now."""


class JwksCache:
    """The keys at one JWKS URL (RFC 7517).

    It replaces `jwt.PyJWKClient`, which fetches synchronously (https://github.com/jpadilla/pyjwt/issues/1120), and for
    every unknown key id (https://github.com/jpadilla/pyjwt/issues/929).

    Keys are fresh for five minutes, and a fresh key is returned without waiting. An unknown key id, or a key that is no
    longer fresh, causes a fetch: one at a time, and at most one per `cooldown` seconds. If it fails, keys fetched in
    the last hour remain valid. A fetch may take five seconds, follows no redirect, and reads at most 1 MiB, after
    decompression too.

    A set without usable keys is not a failure: it withdraws every key.

    Args:
        url: where the keys are published.
        cooldown: minimum seconds between two fetches.
    """

    def __init__(self, url: str, cooldown: float) -> None:
        self._url = url
        self._cooldown = cooldown
        self._set = KeySet()
        self._absent: dict[str, None] = {}
        self._started_at = -math.inf
        self._fetched_at = -math.inf
        self._next_fetch_at = -math.inf
        self._fetching = anyio.Lock()

    async def find(self, key_id: str, algorithm: str) -> list[PyJWK]:
        """Return the keys with that id for that algorithm; none if the authorization server does not publish one.

        Args:
            key_id: the `kid` of a token.
            algorithm: the token's.

        Raises:
            KeysUnavailableError: the keys could not be fetched, or were fetched too recently to know whether it is a
                new key.
        """
        if len(key_id) > MAX_KEY_ID_CHARACTERS:
            return []
        asked_at = anyio.current_time()
        known = key_id in self._set.keys and self._age() <= _USABLE_SECONDS
        # During a fetch, a key that is only no longer fresh is good enough.
        if not known or (self._age() > _FRESH_SECONDS and not self._fetching.locked()):
            await self._refresh()
        if self._age() > _USABLE_SECONDS:
            raise KeysUnavailableError
        if key_id not in self._set.keys:
            if self._started_at >= asked_at:
                self._remember_as_absent(key_id)
            elif key_id not in self._absent:
                # It may be a new key, published after the last fetch.
                raise KeysUnavailableError
        return self._set.find(key_id, algorithm)

    def _age(self) -> float:
        return anyio.current_time() - self._fetched_at

    def _remember_as_absent(self, key_id: str) -> None:
        self._absent.pop(key_id, None)
        self._absent[key_id] = None
        if len(self._absent) > _MAX_ABSENT_KEY_IDS:
            del self._absent[next(iter(self._absent))]

    async def _refresh(self) -> None:
        async with self._fetching:
            started_at = anyio.current_time()
            if started_at < self._next_fetch_at:
                return
            try:
                with anyio.fail_after(_FETCH_TIMEOUT):
                    fetched = parse_key_set(await self._fetch())
            except Exception as error:  # noqa: BLE001 - whatever the other side sends, old keys remain valid
                kind = type(error).__name__
                logger.warning("the keys of the authorization server can't be had", extra={"error": kind})
            else:
                self._replace(fetched)
                self._started_at, self._fetched_at = started_at, anyio.current_time()
            self._next_fetch_at = anyio.current_time() + self._cooldown

    def _replace(self, fetched: KeySet) -> None:
        before, self._set = self._set, fetched
        for key_id in before.keys.keys() - fetched.keys.keys():
            self._remember_as_absent(key_id)
        if fetched.left_out and fetched.left_out != before.left_out:
            reasons = ", ".join(sorted(set(fetched.left_out)))
            logger.warning(
                "keys of the authorization server are left out",
                extra={"keys": len(fetched.left_out), "reason": reasons},
            )
        if not fetched.keys and (before.keys or self._fetched_at == -math.inf):
            logger.warning("the authorization server publishes no usable key: no JWT is valid")

    async def _fetch(self) -> bytes:
        headers = {"Accept-Encoding": "identity"}
        async with (
            httpx.AsyncClient(timeout=_FETCH_TIMEOUT, headers=headers) as http,
            http.stream("GET", self._url) as response,
        ):
            if response.status_code != httpx.codes.OK:
                raise httpx.HTTPStatusError("no keys", request=response.request, response=response)
            received = bytearray()
            async for chunk in response.aiter_raw():
                received += chunk
                if len(received) > _MAX_FETCH_BYTES:
                    raise ValueError("too large")
        return _decoded(bytes(received), response.headers.get("content-encoding", "identity").strip().lower())


def _decoded(content: bytes, encoding: str) -> bytes:
    """Return the content of a response. Some file stores send gzip to every client.

    Raises:
        ValueError: it is larger than 1 MiB, or in another encoding.
        zlib.error: it is not valid.
    """
    if encoding == "identity":
        return content
    if encoding not in ("gzip", "x-gzip"):
        raise ValueError("an encoding that was not requested")
    # httpx's own decoder has no limit: a chunk of some kilobytes becomes gigabytes before the first byte is counted.
    decoder = zlib.decompressobj(_GZIP)
    decoded = decoder.decompress(content, _MAX_FETCH_BYTES + 1)
    if len(decoded) > _MAX_FETCH_BYTES:
        raise ValueError("too large")
    return decoded
