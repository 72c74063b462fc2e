"""Connections to Redis: which URLs are accepted, and how much of a response is read."""

from __future__ import annotations

import os
import string
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from redis._parsers import _AsyncRESP2Parser
from redis.asyncio import ConnectionPool, SSLConnection
from redis.exceptions import InvalidResponse, RedisError

KEY_PREFIX: Final = "customerio-track-mcp"
"""What the names of all keys in Redis start with."""
RESPONSE_TIMEOUT: Final = 0.25
"""Seconds for each response of Redis: a rate limit must not cost more than what it protects."""
MAX_RESPONSE_BYTES: Final = 16_384
"""Maximum size of one response. A counter needs less than 100 bytes, and the longest error of a script about 1 000."""

_OPTIONS: Final = frozenset({"client_name", "db", "health_check_interval", "password", "username"})
_TLS_OPTIONS: Final = frozenset(
    {
        "ssl_ca_certs",
        "ssl_ca_path",
        "ssl_cert_reqs",
        "ssl_certfile",
        "ssl_check_hostname",
        "ssl_ciphers",
        "ssl_keyfile",
        "ssl_password",
    }
)
_TLS_FILES: Final = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
_CERTIFICATE_REQUIREMENTS: Final = ("none", "optional", "required")


def redis_connections(url: str, timeout: float | None = None) -> ConnectionPool:
    """Return a pool of connections to the Redis at `url`. None of them is opened yet.

    Args:
        url: `redis://` or `rediss://`, with user, password, database and the options above if needed.
        timeout: seconds to connect, and for each response; None for `RESPONSE_TIMEOUT`.

    Raises:
        ValueError: the URL cannot be used. The message does not repeat any part of it, since it may contain a password.
    """
    _validate(url)
    timeout = RESPONSE_TIMEOUT if timeout is None else timeout
    try:
        connections: ConnectionPool = ConnectionPool.from_url(
            url,
            socket_timeout=timeout,
            socket_connect_timeout=timeout,
            protocol=2,
            parser_class=_BoundedParser,
        )
        # redis-py validates the options of a URL only when it creates a connection, and TLS files when it opens one.
        connection = connections.make_connection()  # type: ignore[no-untyped-call]
        if isinstance(connection, SSLConnection):
            connection.ssl_context.get()
    except (OSError, RedisError, TypeError, ValueError):
        raise ValueError("the value of an option cannot be used, or a file of TLS cannot be read") from None
    return connections


def _validate(url: str) -> None:
    """Reject what redis-py ignores, and options that replace the timeouts, the parser or the protocol."""
    try:
        parts = urlsplit(url)
        is_complete = bool(parts.hostname and parts.port)
    except ValueError:
        is_complete = False
    if not is_complete:
        raise ValueError("host and port are required, and special characters must be percent-encoded") from None
    if parts.fragment:
        raise ValueError("# must be percent-encoded")
    database = parts.path.removeprefix("/")
    if database.strip(string.digits):
        raise ValueError("the database must be a number")
    accepted = _OPTIONS | _TLS_OPTIONS if parts.scheme == "rediss" else _OPTIONS
    for name, value in parse_qsl(parts.query, keep_blank_values=True):
        if name not in accepted:
            raise ValueError(f"the accepted options are {', '.join(sorted(accepted))}")
        if name in {"db", "health_check_interval"} and value.strip(string.digits):
            raise ValueError(f"{name} must be a number")
        if name == "ssl_cert_reqs" and value not in _CERTIFICATE_REQUIREMENTS:
            raise ValueError(f"{name} must be one of {', '.join(_CERTIFICATE_REQUIREMENTS)}")
        if name in _TLS_FILES and not os.path.isfile(value):  # noqa: PTH113 - Path's raises for some paths
            raise ValueError(f"{name} must name a file")  # a FIFO would be waited for


class _BoundedParser(_AsyncRESP2Parser):
    """redis-py's parser, which reads at most `MAX_RESPONSE_BYTES` of a response.

    redis-py limits neither the size nor the depth of a response (https://github.com/redis/redis-py/issues/4116), and
    its own parsers are not part of its public interface. This can go when it has such a limit.
    """

    def __init__(self, socket_read_size: int) -> None:
        super().__init__(socket_read_size)
        self._bytes_left = MAX_RESPONSE_BYTES

    async def read_response(self, disable_decoding: bool = False) -> Any:
        self._bytes_left = MAX_RESPONSE_BYTES
        return await super().read_response(disable_decoding=disable_decoding)

    async def _read(self, length: int) -> bytes:
        self._count(length)
        return await super()._read(length)

    async def _readline(self) -> bytes:
        line = await super()._readline()
        self._count(len(line) + 2)
        return line

    def _count(self, number: int) -> None:
        self._bytes_left -= number
        if number < 0 or self._bytes_left < 0:
            raise InvalidResponse("the response is too large")
