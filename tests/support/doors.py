"""The server over either transport, for messages that the SDK's client would not send."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Final, TypeAlias

import anyio
from anyio import to_thread

from tests.support.http_service import message_in, running_service
from tests.support.loaded_command import running_loaded
from tests.support.messages import INITIALIZE
from tests.support.process import environment
from tests.support.raw_messages import LEGACY, headers_of, raw_request

Answers: TypeAlias = list[dict[str, Any]]
Exchange: TypeAlias = Callable[..., Awaitable[Answers]]
"""Sends the bytes of one message and returns the answers.

Keywords: `answers`, how many to wait for over stdio; `method` and `tool`, if it is not a call of `send_event`.
"""
Door: TypeAlias = Callable[[str, str], AbstractAsyncContextManager[Exchange]]
"""Opens the server for a Track API's URL and a protocol version."""

_PING: Final = "after"


@asynccontextmanager
async def stdio(track_url: str, version: str, *, initialize: bool = True) -> AsyncIterator[Exchange]:
    """Run the server as a subprocess. At the end it must have sent nothing that was not received."""
    env = environment(track_url=track_url, api_key="sandbox:sandbox")
    with running_loaded(env=env) as process, anyio.fail_after(60):

        async def exchange(message: bytes, *, answers: int = 1, **headers: str) -> Answers:
            del headers
            ping = raw_request(version, "ping" if version == LEGACY else "tools/list", f'"{_PING}"')

            def send_and_receive() -> Answers:
                process.stdin.buffer.write(message + b"\n" + ping + b"\n")
                process.stdin.buffer.flush()
                return [json.loads(process.stdout.readline()) for _ in range(answers + 1)]

            received = await to_thread.run_sync(send_and_receive, abandon_on_cancel=True)
            return [answer for answer in received if answer["id"] != _PING]

        if version == LEGACY and initialize:
            await exchange(json.dumps(INITIALIZE).encode())
        yield exchange
        process.stdin.close()
        assert await to_thread.run_sync(process.stdout.read, abandon_on_cancel=True) == ""


@asynccontextmanager
async def http(track_url: str, version: str) -> AsyncIterator[Exchange]:
    """Run the service in the test's process."""
    async with running_service(track_url) as client:

        async def exchange(message: bytes, *, answers: int = 1, **headers: str) -> Answers:
            del answers
            sent = headers_of(version, **headers)
            response = await client.post("/mcp", content=message, headers=sent)
            return [message_in(response)] if response.content else []

        yield exchange


DOORS: Final[dict[str, Door]] = {"stdio": stdio, "http": http}
