"""Whether the result of a call was delivered over stdio, as its control learns it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count
from typing import Any

import anyio
import anyio.abc
import anyio.to_thread
import pytest
from anyio.streams.buffered import BufferedByteReceiveStream

from tests.support.messages import INITIALIZE
from tests.support.process import environment
from tests.support.raw_messages import LEGACY, MODERN, event, raw_call
from tests.support.scripted_server import ScriptedServer, hang, respond, respond_when
from tests.support.waiting import wait_until

COMMAND = [sys.executable, "-m", "tests.support.probing"]

pytestmark = [
    pytest.mark.integration,
    pytest.mark.skipif(sys.platform == "win32", reason="the tests send signals"),
]


class Server:
    """The command with a control that prints what was settled.

    Attributes:
        process: the subprocess.
    """

    def __init__(self, process: anyio.abc.Process) -> None:
        assert process.stdout is not None
        assert process.stderr is not None
        self.process = process
        self._stdout = BufferedByteReceiveStream(process.stdout)
        self._stderr = BufferedByteReceiveStream(process.stderr)

    async def send(self, message: bytes) -> None:
        """Send a message."""
        assert self.process.stdin is not None
        await self.process.stdin.send(message + b"\n")

    async def cancel(self, request_id: int | str) -> None:
        """Cancel a request."""
        params = {"requestId": request_id}
        await self.send(json.dumps({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": params}).encode())

    async def receive(self) -> Any:
        """Return the next message."""
        with anyio.fail_after(30):
            return json.loads(await self._stdout.receive_until(b"\n", 2**20))

    async def settled(self) -> str:
        """Return the next two registrations of one event that were settled: its name and the outcome."""
        with anyio.fail_after(30):
            found = [await self._next_settled(), await self._next_settled()]
        assert found[0] == found[1]
        return found[0]

    async def _next_settled(self) -> str:
        while True:
            line = (await self._stderr.receive_until(b"\n", 2**20)).decode()
            if match := re.fullmatch("settled (.*)", line):
                return match[1]


def environment_of_server(track_url: str) -> dict[str, str]:
    path = os.pathsep.join(filter(None, sys.path))  # with the tests
    return environment(track_url=track_url, api_key="site:key") | {"PYTHONPATH": path}


@asynccontextmanager
async def server(track_url: str, version: str) -> AsyncIterator[Server]:
    env = environment_of_server(track_url)
    async with await anyio.open_process(COMMAND, env=env) as process:
        running = Server(process)
        try:
            if version == LEGACY:
                await running.send(json.dumps(INITIALIZE).encode())
                await running.receive()
            yield running
        finally:
            if process.returncode is None:
                process.kill()


def call(version: str, name: str, request_id: str = "2") -> bytes:
    return raw_call(version, event(event_name=f'"{name}"'), request_id=request_id)


@pytest.mark.parametrize("version", [LEGACY, MODERN])
async def test_each_call_is_settled_as_its_own_response_was_sent(scripted: ScriptedServer, version: str) -> None:
    go = anyio.Event()
    numbers = count(1)

    async def requested() -> None:
        number = next(numbers)
        await wait_until(lambda: len(scripted.requests) == number)

    scripted.acts = [respond(200, "{}"), respond(400, "{}"), hang, respond_when(go), hang, respond(200, "{}"), hang]
    async with server(scripted.url, version) as host:
        await host.send(call(version, "delivered"))
        assert (await host.receive())["result"]["structuredContent"]["success"]
        assert await host.settled() == "delivered True"
        await requested()

        # A failure is a result, too.
        await host.send(call(version, "failed", '"x"'))
        assert (await host.receive())["result"]["isError"]
        assert await host.settled() == "failed True"
        await requested()

        await host.send(call(version, "canceled"))
        await requested()
        await host.cancel("2")
        assert await host.settled() == "canceled False"

        # Of two calls with one id, the SDK cancels the later one.
        await host.send(call(version, "first"))
        await requested()
        await host.send(call(version, "second"))
        await requested()
        await host.cancel(2)
        assert await host.settled() == "second False"
        go.set()
        assert (await host.receive())["result"]["structuredContent"]["event_name"] == "first"
        assert await host.settled() == "first True"

        # The control does not register this one.
        person = raw_call(version, '{"customer_id":"1","email":"a@example.com"}', tool="create_or_update_customer")
        await host.send(person)
        assert (await host.receive())["result"]["structuredContent"]["success"]
        await requested()

        await host.send(call(version, "interrupted"))
        await requested()
        host.process.terminate()
        assert await host.settled() == "interrupted False"


async def test_result_that_the_host_no_longer_reads_is_not_delivered(scripted: ScriptedServer) -> None:
    go = anyio.Event()
    scripted.acts = [respond_when(go)]
    env = environment_of_server(scripted.url)
    pipes: dict[str, Any] = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    with subprocess.Popen(COMMAND, env=env, encoding="utf-8", **pipes) as process:  # noqa: ASYNC220 - returns at once
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdin.write(json.dumps(INITIALIZE) + "\n" + call(LEGACY, "unread").decode() + "\n")
        process.stdin.flush()
        with anyio.fail_after(30):
            await scripted.received.wait()
        process.stdout.close()
        go.set()
        output = await anyio.to_thread.run_sync(process.stderr.read)
    assert output.splitlines().count("settled unread False") == 2
