"""Events that a host sends again, since it has no result or an unknown outcome."""

from __future__ import annotations

import anyio
import pytest

from customerio_track_mcp.control.call import Call
from customerio_track_mcp.control.errors import RefusedError
from customerio_track_mcp.control.once.fingerprint import Fingerprints
from customerio_track_mcp.control.once.memory import Claim, ProcessMemory
from customerio_track_mcp.control.once.resend_memory import ResendMemory
from customerio_track_mcp.control.write import Write
from customerio_track_mcp.instrumentation.calls import Caller
from customerio_track_mcp.sandbox import RunningSandbox
from customerio_track_mcp.tools.handlers import ToolHandlers
from customerio_track_mcp.tools.result_meta import result_meta
from customerio_track_mcp.track import Credentials, Receipt, StoppedError, TrackClient
from tests.support.clients import FAST_RETRIES
from tests.support.once import EVENT, WINDOW, PendingDelivery, event_write, once_handlers
from tests.support.scripted_server import ScriptedServer, hang, reset, respond
from tests.support.waiting import wait_until

UNKNOWN = [reset] * 4
REUSED = "that of an earlier identical call: one event is recorded for both"


def ids(scripted: ScriptedServer) -> list[str]:
    """Return the event ids that were sent, each once."""
    return list(dict.fromkeys(request.json["id"] for request in scripted.requests))


async def test_two_delivered_calls_are_two_events(sandbox: RunningSandbox) -> None:
    async with once_handlers(sandbox.url) as handlers:
        for _ in range(2):
            output = await handlers.send_event(EVENT)
            assert "identical" not in str(output.message)
    assert len(sandbox.workspace.events) == 2


async def test_an_event_with_unknown_outcome_has_the_same_id_until_it_is_confirmed(scripted: ScriptedServer) -> None:
    scripted.acts = [*UNKNOWN, *UNKNOWN]
    async with once_handlers(scripted.url) as handlers:
        for _ in range(2):
            error = str((await handlers.send_event(EVENT)).error)
            assert "Calling again with the same arguments within 15 minutes is safe: it has the same event id" in error
            assert "Do not resend" not in error
        call = Call()
        message = str((await handlers.send_event(EVENT, call)).message)
        assert len(ids(scripted)) == 1
        assert REUSED in message
        assert "To record another event, call again." in message
        assert (call.record.outcome, call.record.is_reused) == ("ok", True)
        assert result_meta(call)["customerio-track-mcp/reused"] is True
        assert "identical" not in str((await handlers.send_event(EVENT)).message)
    assert len(ids(scripted)) == 2


async def test_a_canceled_event_has_the_same_id_when_it_is_sent_again(scripted: ScriptedServer) -> None:
    scripted.acts = [hang]
    async with once_handlers(scripted.url) as handlers:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(handlers.send_event, EVENT)
            await wait_until(lambda: bool(scripted.requests))
            tasks.cancel_scope.cancel()
        assert REUSED in str((await handlers.send_event(EVENT)).message)
    assert (len(scripted.requests), len(ids(scripted))) == (2, 1)


@pytest.mark.parametrize(("delivered", "events"), [(True, 2), (False, 1)])
async def test_a_confirmed_event_is_remembered_until_its_result_is_delivered(
    sandbox: RunningSandbox, delivered: bool, events: int
) -> None:
    delivery = PendingDelivery()
    async with once_handlers(sandbox.url) as handlers:
        assert (await handlers.send_event(EVENT, Call(delivery=delivery))).success
        delivery.end(delivered=delivered)
        assert (await handlers.send_event(EVENT)).success
    assert len(sandbox.workspace.events) == events


@pytest.mark.parametrize(("delivered", "number"), [(True, 2), (False, 1)])
async def test_an_event_that_was_certainly_not_carried_out_is_remembered_until_that_is_delivered(
    scripted: ScriptedServer, delivered: bool, number: int
) -> None:
    scripted.acts = [respond(401, "{}")]
    delivery = PendingDelivery()
    async with once_handlers(scripted.url) as handlers:
        assert not (await handlers.send_event(EVENT, Call(delivery=delivery))).success
        delivery.end(delivered=delivered)
        await handlers.send_event(EVENT)
    assert len(ids(scripted)) == number


async def test_a_rejected_repetition_does_not_forget_that_the_first_call_may_have_been_carried_out(
    scripted: ScriptedServer,
) -> None:
    scripted.acts = [*UNKNOWN, respond(401, "{}")]
    async with once_handlers(scripted.url) as handlers:
        await handlers.send_event(EVENT)
        error = str((await handlers.send_event(EVENT)).error)
        assert "was not carried out, but an earlier identical call with the same event id, " in error
        assert (await handlers.send_event(EVENT)).success
    assert len(ids(scripted)) == 1


async def test_callers_do_not_share_what_is_remembered(scripted: ScriptedServer) -> None:
    scripted.acts = list(UNKNOWN)
    async with once_handlers(scripted.url) as handlers:
        await handlers.send_event(EVENT, Call(Caller(identity="ann")))
        call = Call(Caller(identity="bob"))
        await handlers.send_event(EVENT, call)
        assert not call.record.is_reused
        await handlers.send_event(EVENT, Call(Caller(identity="ann")))
    assert len(ids(scripted)) == 2
    assert [request.json["id"] for request in scripted.requests][-1] == ids(scripted)[0]


async def test_without_a_memory_that_all_calls_reach_the_advice_is_not_to_resend(scripted: ScriptedServer) -> None:
    scripted.acts = list(UNKNOWN)
    async with once_handlers(scripted.url, is_sole_process=False) as handlers:
        error = str((await handlers.send_event(EVENT)).error)
    assert "Do not resend it yourself: a new call records a new event" in error
    assert "safe" not in error


async def test_a_response_that_asks_to_wait_longer_than_the_window_makes_resending_unsafe(
    scripted: ScriptedServer,
) -> None:
    scripted.acts = [respond(503, "", Retry_After="3600")]
    async with once_handlers(scripted.url) as handlers:
        assert "Do not resend it yourself" in str((await handlers.send_event(EVENT)).error)


@pytest.mark.parametrize(("is_shared", "seconds"), [(True, WINDOW), (False, 0.0)])
async def test_a_memory_that_ends_with_a_stopping_process_is_not_relied_on(is_shared: bool, seconds: float) -> None:
    class Shared(ProcessMemory):
        async def claim(self, fingerprint: bytes, event_id: str) -> Claim:
            del fingerprint
            return Claim(event_id, is_reused=False, is_shared=is_shared)

    async def stop(_: Write, __: Call) -> Receipt:
        raise StoppedError("the server is stopping", outcome_unknown=True)

    call = Call()
    resend = ResendMemory(Shared(WINDOW, 30), Fingerprints(b"key"), WINDOW, is_sole_process=True)
    with pytest.raises(StoppedError):
        await resend(event_write(), call, stop)
    assert call.same_event_seconds == seconds


@pytest.mark.parametrize("error", [RefusedError("a limit"), KeyError("a bug")])
@pytest.mark.parametrize("was_unknown", [True, False])
async def test_a_new_event_that_was_not_sent_is_forgotten_at_once(error: Exception, was_unknown: bool) -> None:
    memory = ProcessMemory(WINDOW, 30)
    resend = ResendMemory(memory, Fingerprints(b"key"), WINDOW, is_sole_process=True)
    sent: list[str | None] = []

    async def fail(write: Write, _: Call) -> Receipt:
        sent.append(write.request.event_id)
        raise StoppedError("", outcome_unknown=True) if was_unknown and len(sent) == 1 else error

    for _ in range(3):
        with pytest.raises((type(error), StoppedError)):
            await resend(event_write(), Call(), fail)
    assert len(set(sent)) == (1 if was_unknown else 3)
    assert len(memory) == (1 if was_unknown else 0)


async def test_an_id_in_the_data_is_sent_as_it_is(scripted: ScriptedServer) -> None:
    """The id of an event is known to its caller, who may write it anywhere in another call."""
    scripted.acts = list(UNKNOWN)
    first = Call()
    async with once_handlers(scripted.url) as handlers:
        await handlers.send_event(EVENT, first)
        text = f'"id":"{first.record.event_id}"'
        mention = EVENT | {"event_name": text, "data": {"id": first.record.event_id, "text": text}}
        for _ in range(2):
            scripted.acts = list(UNKNOWN)
            await handlers.send_event(mention)
    sent = scripted.requests[-1].json
    assert (sent["name"], sent["data"]) == (text, mention["data"])
    assert len(ids(scripted)) == 2


async def test_other_tools_are_not_remembered(sandbox: RunningSandbox) -> None:
    memory = ProcessMemory(WINDOW, 30)
    async with once_handlers(sandbox.url, memory=memory) as handlers:
        await handlers.create_or_update_customer({"customer_id": "1", "email": "ann@example.com"})
        await handlers.add_customers_to_segment({"segment_id": "1", "customer_ids": ["1"]})
    assert len(memory) == 0


async def test_handlers_without_controls_give_the_advice_not_to_resend(scripted: ScriptedServer) -> None:
    scripted.acts = list(UNKNOWN)
    async with TrackClient(Credentials("site", "key"), scripted.url, retry_policy=FAST_RETRIES) as client:
        assert "Do not resend it yourself" in str((await ToolHandlers(client).send_event(EVENT)).error)
