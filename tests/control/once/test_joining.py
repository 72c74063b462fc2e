"""Identical events in flight: one of them is sent."""

from __future__ import annotations

from typing import Any, Final

import anyio
import anyio.abc
import pytest

from customerio_track_mcp.control.call import Call
from customerio_track_mcp.control.once.fingerprint import Fingerprints
from customerio_track_mcp.control.once.joining import Joining
from customerio_track_mcp.control.write import Write
from customerio_track_mcp.instrumentation.calls import Caller
from customerio_track_mcp.tools.handlers import ToolHandlers
from customerio_track_mcp.tools.result_meta import result_meta
from customerio_track_mcp.tools.schemas import SendEventOutput
from customerio_track_mcp.track import Receipt, RetryPolicy
from tests.support.once import EVENT, PendingDelivery, event_write, once_handlers
from tests.support.scripted_server import Act, ScriptedServer, hang, respond, respond_when
from tests.support.waiting import wait_until

RECEIPT: Final = Receipt(200, {}, 1, "id")


class Calls:
    """Calls of `send_event` in tasks of their own.

    Attributes:
        calls: the calls, in the order in which they were started.
        outputs: the results, by the position of their call.
    """

    def __init__(self, handlers: ToolHandlers, tasks: anyio.abc.TaskGroup) -> None:
        self._handlers = handlers
        self._tasks = tasks
        self.calls: list[Call] = []
        self.outputs: dict[int, SendEventOutput] = {}
        self._scopes: list[anyio.CancelScope] = []

    async def start(self, call: Call | None = None, **changes: Any) -> None:
        """Start a call, and wait until it waits for something."""
        position = len(self.calls)
        self.calls.append(call or Call())
        self._scopes.append(anyio.CancelScope())
        self._tasks.start_soon(self._run, position, EVENT | changes)
        await anyio.wait_all_tasks_blocked()

    def cancel(self, position: int) -> None:
        """Cancel a call."""
        self._scopes[position].cancel()

    async def _run(self, position: int, arguments: dict[str, Any]) -> None:
        with self._scopes[position]:
            self.outputs[position] = await self._handlers.send_event(arguments, self.calls[position])


async def test_identical_calls_in_flight_are_one_event(scripted: ScriptedServer) -> None:
    answered = anyio.Event()
    scripted.acts = [respond_when(answered)]
    async with once_handlers(scripted.url) as handlers, anyio.create_task_group() as tasks:
        calls = Calls(handlers, tasks)
        for _ in range(3):
            await calls.start()
        answered.set()
    assert len(scripted.requests) == 1
    event_id = scripted.requests[0].json["id"]
    messages = [str(calls.outputs[position].message) for position in range(3)]
    assert all(f"the event id is {event_id}." in message for message in messages)
    assert [call.record.outcome for call in calls.calls] == ["ok", "joined", "joined"]
    assert "identical call" not in messages[0]
    for call, message in zip(calls.calls[1:], messages[1:], strict=True):
        assert (
            "one event was recorded for both. To record two, make them differ in data, or pass a different" in message
        )
        meta = result_meta(call)
        assert meta["customerio-track-mcp/joined"] is True
        assert meta["customerio-track-mcp/event-id"] == event_id
        assert meta["customerio-track-mcp/attempts"] == 1


async def test_calls_one_after_the_other_do_not_join(scripted: ScriptedServer) -> None:
    async with once_handlers(scripted.url) as handlers:
        outputs = [await handlers.send_event(EVENT) for _ in range(2)]
    assert all(output.success for output in outputs)
    assert len({request.json["id"] for request in scripted.requests}) == 2


@pytest.mark.parametrize(
    ("call", "changes"),
    [
        (Call(Caller(identity="bob")), {}),
        (Call(idempotency_key="k"), {}),
        (Call(), {"data": {"order": "A-18"}}),
        (Call(), {"customer_id": "2"}),
    ],
)
async def test_calls_that_differ_do_not_join(scripted: ScriptedServer, call: Call, changes: dict[str, Any]) -> None:
    answered = anyio.Event()
    scripted.acts = [respond_when(answered)] * 2
    async with once_handlers(scripted.url) as handlers, anyio.create_task_group() as tasks:
        calls = Calls(handlers, tasks)
        await calls.start(Call(Caller(identity="ann")) if call.caller.identity else None)
        await calls.start(call, **changes)
        await wait_until(lambda: len(scripted.requests) == 2)
        answered.set()
    assert len({request.json["id"] for request in scripted.requests}) == 2
    assert not call.record.is_joined


@pytest.mark.parametrize(
    ("act", "phrase"),
    [(respond(401, "{}"), "did not accept the credentials"), (hang, "Whether the event was recorded is unknown")],
)
async def test_a_failure_is_that_of_all_joined_calls(scripted: ScriptedServer, act: Act, phrase: str) -> None:
    scripted.acts = [act]
    policy = RetryPolicy(max_attempts=1, time_budget=0.3)
    async with once_handlers(scripted.url, retry_policy=policy) as handlers, anyio.create_task_group() as tasks:
        calls = Calls(handlers, tasks)
        await calls.start()
        await calls.start()
    assert len(scripted.requests) == 1
    errors = [str(calls.outputs[position].error) for position in range(2)]
    assert phrase in errors[0]
    assert errors[0] == errors[1]
    assert calls.calls[1].record.is_joined


@pytest.mark.parametrize("remembers", [True, False])
async def test_a_canceled_call_hands_over_with_the_same_event_id(scripted: ScriptedServer, remembers: bool) -> None:
    scripted.acts = [hang]
    async with once_handlers(scripted.url, remembers=remembers) as handlers, anyio.create_task_group() as tasks:
        calls = Calls(handlers, tasks)
        await calls.start()
        await wait_until(lambda: bool(scripted.requests))
        for _ in range(3):
            await calls.start()
        calls.cancel(1)  # waits
        calls.cancel(0)  # was sent
        await wait_until(lambda: len(calls.outputs) == 2)
    assert len(scripted.requests) == 2
    assert len({request.json["id"] for request in scripted.requests}) == 1
    assert set(calls.outputs) == {2, 3}
    assert [call.record.is_joined for call in calls.calls[2:]] == [False, True]
    assert "that of an earlier identical call" in str(calls.outputs[2].message)


async def test_a_call_that_arrives_during_the_handover_joins(scripted: ScriptedServer) -> None:
    scripted.acts = [hang]
    async with once_handlers(scripted.url, remembers=False) as handlers, anyio.create_task_group() as tasks:
        calls = Calls(handlers, tasks)
        await calls.start()
        await wait_until(lambda: bool(scripted.requests))
        await calls.start()
        calls.cancel(0)
        await calls.start()
        await wait_until(lambda: len(calls.outputs) == 2)
    assert len(scripted.requests) == 2
    assert len({request.json["id"] for request in scripted.requests}) == 1


@pytest.mark.parametrize("error", [KeyError("bug"), RuntimeError("a question for the host")])
async def test_any_exception_reaches_the_joined_calls_and_nothing_stays(error: Exception) -> None:
    fingerprints = Fingerprints(b"key")
    joining = Joining(fingerprints)
    raised: list[Exception] = []
    proceeds = anyio.Event()
    sent = 0

    async def fail(_: Write, __: Call) -> Receipt:
        nonlocal sent
        sent += 1
        await proceeds.wait()
        raise error

    async def run() -> None:
        try:
            await joining(event_write(), Call(), fail)
        except Exception as caught:  # noqa: BLE001
            raised.append(caught)

    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(run)
        await anyio.wait_all_tasks_blocked()
        proceeds.set()
    assert (raised, sent) == ([error] * 3, 1)
    assert joining._flights == {}


async def test_nothing_stays_of_calls_that_are_all_canceled() -> None:
    joining = Joining(Fingerprints(b"key"))

    async def wait(_: Write, __: Call) -> Receipt:
        await anyio.sleep_forever()
        return RECEIPT

    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(joining, event_write(), Call(), wait)
        await anyio.wait_all_tasks_blocked()
        assert len(joining._flights) == 1
        tasks.cancel_scope.cancel()
    assert joining._flights == {}


@pytest.mark.parametrize(
    ("ends", "is_another_event"), [([True, False], True), ([False, True], True), ([False, False], False)]
)
async def test_one_delivered_result_of_joined_calls_is_enough(
    scripted: ScriptedServer, ends: list[bool], is_another_event: bool
) -> None:
    answered = anyio.Event()
    scripted.acts = [respond_when(answered)]
    deliveries = [PendingDelivery() for _ in ends]
    async with once_handlers(scripted.url) as handlers:
        async with anyio.create_task_group() as tasks:
            calls = Calls(handlers, tasks)
            for delivery in deliveries:
                await calls.start(Call(delivery=delivery))
            answered.set()
        for delivery, delivered in zip(deliveries, ends, strict=True):
            delivery.end(delivered=delivered)
        assert (await handlers.send_event(EVENT)).success
    assert (len({request.json["id"] for request in scripted.requests}) == 2) is is_another_event


async def test_a_joined_call_that_was_canceled_has_received_nothing(scripted: ScriptedServer) -> None:
    answered = anyio.Event()
    scripted.acts = [respond_when(answered)]
    delivery = PendingDelivery()
    async with once_handlers(scripted.url) as handlers:
        async with anyio.create_task_group() as tasks:
            calls = Calls(handlers, tasks)
            await calls.start(Call(delivery=delivery))
            await calls.start()  # would be delivered at once
            calls.cancel(1)
            await anyio.wait_all_tasks_blocked()
            answered.set()
        delivery.end(delivered=False)
        assert (await handlers.send_event(EVENT)).success
    assert len({request.json["id"] for request in scripted.requests}) == 1
