"""Asking a person over stdio, where a server of protocol 2025-11-25 sends requests to the host."""

from __future__ import annotations

import json
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

import anyio
import pytest
from anyio.streams.buffered import BufferedByteReceiveStream

from customerio_track_mcp.sandbox import RunningSandbox
from tests.support.confirmation import INVALID_ANSWERS, INVALID_RESPONSES, INVALID_STATES, answered, round_of
from tests.support.messages import INITIALIZE
from tests.support.process import COMMAND, environment
from tests.support.raw_messages import LEGACY, event, raw_call, raw_request

pytestmark = pytest.mark.integration

MAX_LINE: Final = 2**20
INVALID_STATE: Final = "Invalid requestState: nothing was sent"


class Host:
    """A host of protocol 2025-11-25 that can ask a person."""

    def __init__(self, process: anyio.abc.Process) -> None:
        assert process.stdin is not None
        assert process.stdout is not None
        self.process = process
        self.stdin = process.stdin
        self._lines = BufferedByteReceiveStream(process.stdout)

    async def send(self, *messages: bytes) -> None:
        await self.stdin.send(b"".join(message + b"\n" for message in messages))

    async def receive(self) -> dict[str, Any]:
        message: dict[str, Any] = json.loads(await self._lines.receive_until(b"\n", MAX_LINE))
        return message

    async def answer(self, request: dict[str, Any], **result: Any) -> None:
        await self.send(json.dumps({"jsonrpc": "2.0", "id": request["id"], "result": result}).encode())


@asynccontextmanager
async def started(sandbox: RunningSandbox) -> AsyncIterator[Host]:
    env = environment(track_url=sandbox.url, api_key="sandbox:sandbox", confirm="send_event")
    async with await anyio.open_process(COMMAND, env=env, stderr=None) as process:
        with anyio.fail_after(60):
            yield Host(process)


@asynccontextmanager
async def connected_host(sandbox: RunningSandbox) -> AsyncIterator[Host]:
    async with started(sandbox) as host:
        params = INITIALIZE["params"] | {"capabilities": {"elicitation": {}}}
        await host.send(json.dumps({**INITIALIZE, "params": params}).encode())
        assert (await host.receive())["id"] == 0
        yield host


async def test_questions_over_stdio(sandbox: RunningSandbox) -> None:
    async with connected_host(sandbox) as host:
        await host.send(raw_call(LEGACY, event(), request_id="1"))
        question = await host.receive()
        assert question["method"] == "elicitation/create"
        assert question["params"]["message"].startswith('Send the event "bought" to customer "1"?')
        # Meanwhile the server responds to others.
        await host.send(raw_request(LEGACY, "ping", "2"))
        assert (await host.receive())["id"] == 2
        assert not sandbox.workspace.events
        await host.answer(question, action="accept", content={"confirm": True})
        assert (await host.receive())["result"]["structuredContent"]["success"]
        assert len(sandbox.workspace.events) == 1

        # A canceled call withdraws its question.
        await host.send(raw_call(LEGACY, event(), request_id="3"))
        question = await host.receive()
        await host.send(raw_request(LEGACY, "notifications/cancelled", None, '"requestId":3'))
        withdrawn = await host.receive()
        assert (withdrawn["method"], withdrawn["params"]["requestId"]) == ("notifications/cancelled", question["id"])
        await host.answer(question, action="accept")  # too late

        # What is not a valid answer is not an agreement.
        await host.send(raw_call(LEGACY, event(), request_id="4"))
        await host.answer(await host.receive(), action="maybe")
        assert "response to the question is not valid" in str(await host.receive())

        # Nobody answers after the end of input.
        await host.send(raw_call(LEGACY, event(), request_id="5"))
        assert (await host.receive())["method"] == "elicitation/create"
        await host.stdin.aclose()
        refused = await host.receive()
        assert refused["id"] == 5
        assert "did not ask the user, or did not pass on the answer" in refused["result"]["structuredContent"]["error"]
        assert await host.process.wait() == 0
    assert len(sandbox.workspace.events) == 1


async def test_question_after_the_end_of_input_is_not_waited_for(sandbox: RunningSandbox) -> None:
    async with connected_host(sandbox) as host:
        calls = {str(number): event(event_name=f'"bought {number}"') for number in range(1, 4)}
        await host.send(*(raw_call(LEGACY, arguments, request_id=number) for number, arguments in calls.items()))
        await host.stdin.aclose()
        assert await host.process.wait() == 0
        received = [await host.receive() for _ in range(6)]
    refused = [message for message in received if "result" in message]
    assert sorted(message["id"] for message in refused) == [1, 2, 3]
    assert not sandbox.workspace.events


async def test_signal_ends_a_server_that_waits_for_an_answer(sandbox: RunningSandbox) -> None:
    async with connected_host(sandbox) as host:
        await host.send(raw_call(LEGACY, event()))
        assert (await host.receive())["method"] == "elicitation/create"
        host.process.send_signal(signal.SIGTERM)
        assert await host.process.wait() == 0
    assert not sandbox.workspace.events


async def test_protocol_2026_07_28_over_stdio(sandbox: RunningSandbox) -> None:
    async with started(sandbox) as host:

        async def call(**params: Any) -> dict[str, Any]:
            await host.send(json.dumps(round_of(**params)).encode())
            return await host.receive()

        first = (await call())["result"]
        assert first["resultType"] == "input_required"
        for state in INVALID_STATES:
            error = (await call(**answered(state)))["error"]
            assert (error["code"], error["message"].partition(". ")[0]) == (-32602, INVALID_STATE), state
        state = first["requestState"]
        for answer in INVALID_ANSWERS:
            response = await call(**answered(state, answer))
            assert response.get("error", {}).get("code") == -32602 or "requestState" in response["result"], answer
        for responses in INVALID_RESPONSES:
            assert (await call(requestState=state, inputResponses=responses))["error"]["code"] == -32602, responses
        assert not sandbox.workspace.events
        for _ in range(2):
            assert (await call(**answered(state)))["result"]["structuredContent"]["success"]
    assert len(sandbox.workspace.events) == 1
