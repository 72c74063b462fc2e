"""The shared memory, as far as it can be tested without Redis; see tests/integration/test_redis_memory.py."""

from __future__ import annotations

import logging
from typing import Final

import anyio
import pytest

from customerio_track_mcp.control.once.memory import MAX_ENTRIES, Claim
from customerio_track_mcp.control.once.redis_memory import open_redis_memory
from tests.support.scripted_redis import scripted_redis

ID: Final = "01AN4Z07BY79KA1307SR9X4MV3"
OTHER_ID: Final = "01AN4Z07BY79KA1307SR9X4MV4"
LOST: Final = "resend memory lost: this process remembers its own events only"


def bulk(text: bytes) -> bytes:
    return b"$%d\r\n%b\r\n" % (len(text), text)


async def test_calls_go_on_if_redis_is_unreachable_from_the_start(caplog: pytest.LogCaptureFixture) -> None:
    url = "redis://user:secret-password@127.0.0.1:1/0"
    async with open_redis_memory(url, "workspace", 900, 30) as memory:
        assert await memory.claim(b"a" * 32, ID) == Claim(ID, is_reused=False)
        assert await memory.claim(b"a" * 32, OTHER_ID) == Claim(ID, is_reused=True)
        memory.forget(b"a" * 32, ID)
        assert await memory.claim(b"a" * 32, OTHER_ID) == Claim(OTHER_ID, is_reused=False)
    assert [record.getMessage() for record in caplog.records] == [LOST]
    assert "secret-password" not in caplog.text


@pytest.mark.parametrize(
    ("response", "expected"),
    [
        (b"$-1\r\n", Claim(ID, is_reused=False, is_shared=True)),
        (bulk(OTHER_ID.encode()), Claim(OTHER_ID, is_reused=True, is_shared=True)),
        (bulk(b""), None),
        (bulk(b"x" * 26), None),
        (bulk(OTHER_ID.encode() + b"\n"), None),
        (bulk(b"8" + OTHER_ID[1:].encode()), None),
        (bulk(b'","id":"01AN4Z07BY79KA1307S'), None),
        (bulk(b"\xff" * 26), None),
        (b"+OK\r\n", None),
        (b":1\r\n", None),
        (b"*1\r\n" + bulk(OTHER_ID.encode()), None),
        (b"*-1\r\n", Claim(ID, is_reused=False, is_shared=True)),
        (b"-NOSCRIPT No matching script.\r\n", None),
        (b"-WRONGTYPE Operation against a key holding the wrong kind of value\r\n", None),
        (b"-" + b"x" * 100_000 + b"\r\n", None),
        (b"$99999999\r\n", None),
        (b"nonsense\r\n", None),
        (None, None),
    ],
)
async def test_only_an_id_is_accepted_from_redis(
    caplog: pytest.LogCaptureFixture, response: bytes | None, expected: Claim | None
) -> None:
    """Anything else counts as a lost Redis."""

    def respond(command: str) -> bytes | None:
        return response if command == "EVAL" else b"+OK\r\n"

    with caplog.at_level(logging.WARNING):
        async with (
            scripted_redis(respond) as redis,
            open_redis_memory(redis.url, "workspace", 900, 30) as memory,
        ):
            with anyio.fail_after(10):
                assert await memory.claim(b"a" * 32, ID) == (expected or Claim(ID, is_reused=False))
    assert [record.getMessage() for record in caplog.records] == ([] if expected else [LOST])


async def test_a_claim_is_one_round_trip() -> None:
    async with (
        scripted_redis(lambda command: b"$-1\r\n" if command == "EVAL" else b"+OK\r\n") as redis,
        open_redis_memory(redis.url, "workspace", 900, 30) as memory,
    ):
        await memory.claim(b"a" * 32, ID)
        redis.commands.clear()
        await memory.claim(b"b" * 32, ID)
        assert redis.commands == ["EVAL"]


async def test_the_end_does_not_wait_long_for_a_redis_that_does_not_respond() -> None:
    responses = iter([b"$-1\r\n"])

    def respond(command: str) -> bytes:
        return next(responses, b"") if command == "EVAL" else b"+OK\r\n"

    async with scripted_redis(respond) as redis:
        with anyio.fail_after(10):
            async with open_redis_memory(redis.url, "workspace", 900, 30) as memory:
                await memory.claim(b"a" * 32, ID)
                memory.forget(b"a" * 32, ID)


async def test_what_is_still_to_be_forgotten_is_bounded() -> None:
    async with open_redis_memory("redis://127.0.0.1:1/0", "workspace", 900, 30) as memory:
        for number in range(100):
            memory.forget(b"a" * 32, str(number))
        for number in range(MAX_ENTRIES + 10):
            memory.forget(number.to_bytes(32, "big"), ID)
            memory.keep(number.to_bytes(32, "big"), ID)
        assert len(memory._forgotten) == len(memory._kept) == MAX_ENTRIES
        memory._forgotten.clear()
        memory.forget(b"a" * 32, ID)
        for number in range(100):
            memory.forget(b"a" * 32, str(number))
        assert len(memory._forgotten[b"a" * 32]) <= 4
        assert ID in memory._forgotten[b"a" * 32]
