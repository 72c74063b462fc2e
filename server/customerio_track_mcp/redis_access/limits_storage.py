"""A storage of the library `limits` in Redis, which accepts no response of Redis that is not one of its scripts'."""

from __future__ import annotations

import re

from limits.aio.storage import RedisStorage
from limits.errors import ConfigurationError
from redis.asyncio import ConnectionPool
from redis.exceptions import InvalidResponse

from customerio_track_mcp.redis_access.connections import KEY_PREFIX


def limits_storage(url: str, connections: ConnectionPool) -> RedisStorage:
    """Return a storage in the Redis at `url`.

    Args:
        url: where Redis is; see `redis_connections`.
        connections: the pool for it.

    Raises:
        ValueError: the URL names more than one host, or none. The message does not repeat any part of it.
    """
    try:
        storage = RedisStorage(
            f"async+{url}",
            implementation="redispy",  # the default expects a pool of coredis: github.com/alisaifee/limits/issues/295
            key_prefix=KEY_PREFIX,
            connection_pool=connections,  # type: ignore[arg-type]  # documented as accepted
        )
    except ConfigurationError:
        raise ValueError("expected one host and its port") from None
    # `limits` takes any response that is not empty for a permit, and redis-py keeps any for the digest of a script.
    client = storage.bridge.get_connection()  # type: ignore[attr-defined]  # of the bridge to redis-py
    client.set_response_callback("EVALSHA", _script_result)
    client.set_response_callback("SCRIPT LOAD", _script_digest)
    return storage


def _script_result(response: object, **_: object) -> object:
    """Return the response to a script: 1 or None for a permit, or four values for the state of the window."""
    if response is None or response == 1 or (isinstance(response, list) and len(response) == 4):
        return response
    raise InvalidResponse("not the result of a script")


def _script_digest(response: object, **_: object) -> str:
    """Return the response to SCRIPT LOAD: a SHA-1 in hexadecimal."""
    if isinstance(response, bytes) and re.fullmatch(rb"[0-9a-f]{40}", response):
        return response.decode()
    raise InvalidResponse("not the digest of a script")
