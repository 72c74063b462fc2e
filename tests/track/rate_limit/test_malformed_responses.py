"""A Redis that does not respond as one is the same as one that is lost."""

from __future__ import annotations

import logging
from contextlib import aclosing
from typing import Final

import anyio
import pytest

from customerio_track_mcp.track import LocalRateLimiter
from customerio_track_mcp.track.rate_limit.redis_limiter import RedisRateLimiter
from tests.support.scripted_redis import scripted_redis

LOST: Final = "rate budget storage lost: this process keeps to its share"
BACK: Final = "rate budget storage is back: the budget is shared again"

MALFORMED: Final = [
    None,
    b"+OK\r\n",
    b"+" + b"x" * 70_000 + b"\r\n",
    b":2\r\n",
    b":abc\r\n",
    b":" + b"1" * 10_000 + b"\r\n",
    b"$abc\r\n",
    b"$-7\r\n",
    b"$3\r\nab",
    b"$2\r\n\xff\xfe\r\n",
    b"$17000\r\n" + b"x" * 17_000 + b"\r\n",
    b"*abc\r\n",
    b"*1000000000\r\n",
    b"*0\r\n",
    b"*1\r\n" * 4000,
    b"%1\r\n:1\r\n:2\r\n",
    b"_\r\n",
    b"\r\n",
    b"\n" * 100,
    b"\xff\xfe\x00\r\n",
    b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n",
]
ERRORS: Final = [
    "",
    "ERR",
    "ERR Error running script: " + "x" * 2000,
    "WRONGTYPE Operation against a key holding the wrong kind of value",
    "OOM command not allowed when used memory > 'maxmemory'.",
    "READONLY You can't write against a read only replica.",
    "NOAUTH Authentication required.",
    "NOPERM this user has no permissions",
    "WRONGPASS invalid username-password pair",
    "MOVED 3999 127.0.0.1:1",
    "MOVED",
    "ASK x y",
    "CLUSTERDOWN The cluster is down",
    "TRYAGAIN",
    "CROSSSLOT Keys in request don't hash to the same slot",
    "LOADING Redis is loading the dataset in memory",
    "MASTERDOWN Link with MASTER is down",
    "MISCONF Redis is configured to save RDB snapshots",
    "BUSY Redis is busy running a script.",
    "NOREPLICAS Not enough good replicas to write.",
    "NOSCRIPT No matching script.",
    "EXECABORT",
    "\u20ac",
]
RESPONSES: Final = [*MALFORMED, *(f"-{error}\r\n".encode() for error in ERRORS)]


def limiter_at(url: str, shared: list[bool]) -> RedisRateLimiter:
    return RedisRateLimiter(url, "key", 1000, LocalRateLimiter(1000), shared.append)


def handshake(name: str) -> bytes:
    return b"+PONG\r\n" if name == "PING" else b"+OK\r\n"


@pytest.mark.parametrize("response", RESPONSES, ids=lambda response: repr(response)[:40])
async def test_malformed_response_to_a_script_is_an_outage(
    response: bytes | None, caplog: pytest.LogCaptureFixture
) -> None:
    shared: list[bool] = []
    async with (
        scripted_redis(lambda name: response if name in {"EVALSHA", "SCRIPT"} else handshake(name)) as redis,
        aclosing(limiter_at(redis.url, shared)) as limiter,
    ):
        for _ in range(2):
            await limiter.acquire()
        assert "EVALSHA" in redis.commands
    assert shared == [False]
    assert [record.getMessage() for record in caplog.records] == [LOST]
    assert caplog.records[0].exc_info is None


@pytest.mark.parametrize("response", RESPONSES, ids=lambda response: repr(response)[:40])
@pytest.mark.parametrize("command", ["AUTH", "SELECT"])
async def test_malformed_response_while_connecting_is_an_outage(
    monkeypatch: pytest.MonkeyPatch, command: str, response: bytes | None
) -> None:
    monkeypatch.setattr("customerio_track_mcp.redis_access.availability._RETRY_DELAY", 0)
    shared: list[bool] = []
    async with scripted_redis(lambda name: response if name == command else handshake(name)) as redis:
        url = redis.url.replace("//", "//user:secret@").replace("/0", "/1")
        async with aclosing(limiter_at(url, shared)) as limiter:
            with anyio.fail_after(20):
                while command not in redis.commands:  # on a busy machine, the response to AUTH may be too late
                    await limiter.acquire()
    assert shared == [False]


@pytest.mark.parametrize(
    ("start", "rest"),
    [
        (b"$4000000000\r\n", b"x" * 65_536),
        (b"*1000000000\r\n", b":1\r\n" * 16_384),
        (b"+", b"x" * 65_536),
        (b"-ERR ", b"x" * 65_536),
        (b"*1000000000\r\n", b"$1\r\nx\r\n" * 8192),
    ],
    ids=["bulk", "integers", "line", "error", "array"],
)
async def test_endless_response_is_not_read(start: bytes, rest: bytes) -> None:
    shared: list[bool] = []
    async with scripted_redis(lambda name: start if name == "EVALSHA" else handshake(name)) as redis:
        redis.endless = rest
        async with aclosing(limiter_at(redis.url, shared)) as limiter:
            await limiter.acquire()
        # What the buffers of both sockets take.
        assert redis.bytes_sent < 16_000_000
    assert shared == [False]


async def test_malformed_digest_of_the_script_is_not_kept(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """redis-py would use it for every later call, even after Redis has recovered."""
    monkeypatch.setattr("customerio_track_mcp.redis_access.availability._RETRY_DELAY", 0)
    shared: list[bool] = []
    responses = {"EVALSHA": b"-NOSCRIPT x\r\n", "SCRIPT": b"$-1\r\n"}
    with caplog.at_level(logging.WARNING):
        async with (
            scripted_redis(lambda name: responses.get(name, handshake(name))) as redis,
            aclosing(limiter_at(redis.url, shared)) as limiter,
        ):
            await limiter.acquire()
            responses["EVALSHA"] = b":1\r\n"
            await limiter.acquire()
    assert shared == [False, True]
    assert [record.getMessage() for record in caplog.records] == [LOST, BACK]
