"""Tools that ask a person, through the SDK's own client and over HTTP, with both protocol versions."""

from __future__ import annotations

import json
import logging
import re
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final

import anyio
import httpx
import mcp_types as types
import pytest
from mcp import Client, MCPError

from customerio_track_mcp import confirmation_requests
from customerio_track_mcp.control.asking import ANSWER_TIMEOUT
from customerio_track_mcp.control.once import memory as memory_module
from customerio_track_mcp.controls import open_memory
from customerio_track_mcp.instrumentation.calls import CallRecord
from customerio_track_mcp.runtime import open_runtime
from customerio_track_mcp.sandbox import RunningSandbox
from customerio_track_mcp.settings.server import Settings
from customerio_track_mcp.upstream import Upstream
from tests.support.confirmation import (
    ACCEPT,
    EVENT,
    INVALID_ANSWERS,
    INVALID_RESPONSES,
    INVALID_STATES,
    answered,
    round_of,
)
from tests.support.http_service import OTHER_TOKEN, TOKEN, TWO_CALLERS, bearer, message_in, payload_in, running_service
from tests.support.raw_messages import LEGACY, MODERN, headers_of
from tests.support.scripted_server import ScriptedServer, reset

QUESTION: Final = (
    'Send the event "purchase" to customer "42"? This can start a campaign that emails them at once. Data: {"total": 5}'
)
VERSIONS: Final = {"legacy": LEGACY, "auto": MODERN}


class Person:
    """Answers each question in the same way.

    Attributes:
        questions: what was asked.
    """

    def __init__(self, action: str = "accept", **content: Any) -> None:
        self.questions: list[types.ElicitRequestParams] = []
        self._answer = {"action": action} | ({"content": content} if content else {})

    async def __call__(self, context: object, params: types.ElicitRequestParams) -> types.ElicitResult:
        del context
        self.questions.append(params)
        return types.ElicitResult.model_validate(self._answer)


@asynccontextmanager
async def connected(
    sandbox: RunningSandbox, mode: str, person: Callable[..., Any] | None, **settings: Any
) -> AsyncIterator[tuple[Client, list[CallRecord]]]:
    """Connect a client to a server whose send_event asks; yields it and the calls that were logged."""
    given = {"api_key": "sandbox:sandbox", "track_url": sandbox.url, "confirm": "send_event"} | settings
    calls: list[CallRecord] = []
    async with (
        open_runtime(Upstream(Settings(**given), sandbox.url), on_call=calls.append) as runtime,
        Client(runtime.server, mode=mode, elicitation_callback=person) as client,
    ):
        yield client, calls


def outcomes(calls: list[CallRecord]) -> list[str]:
    return [str(call.context.outcome) for call in calls]


@pytest.mark.parametrize("mode", VERSIONS)
@pytest.mark.parametrize("content", [{"confirm": True}, {}])
async def test_event_is_sent_after_a_person_accepts(
    sandbox: RunningSandbox, mode: str, content: dict[str, Any]
) -> None:
    person = Person(**content)
    async with connected(sandbox, mode, person) as (client, calls):
        result = await client.call_tool("send_event", EVENT)
    assert result.structured_content["success"]
    (question,) = person.questions
    assert isinstance(question, types.ElicitRequestFormParams)
    assert question.message == QUESTION
    assert list(question.requested_schema["properties"]) == ["confirm"]
    assert [event.name for event in sandbox.workspace.events] == ["purchase"]
    asked = [] if mode == "legacy" else ["confirmation_required"]
    assert outcomes(calls) == [*asked, "ok"]
    assert calls[-1].context.confirmed_by == "person"


REFUSALS: Final = {
    "declined": (Person("decline"), "declined", "Do not call again with these arguments unless the user asks for it"),
    "accepted with false": (Person(confirm=False), "declined", "asked to confirm this call and declined"),
    "accepted with another type": (Person(confirm="yes"), "declined", "asked to confirm this call and declined"),
    "canceled": (Person("cancel"), "confirmation_canceled", "Ask the user what they want before you call again"),
    "cannot ask": (None, "cannot_ask", "does not support elicitation"),
}


@pytest.mark.parametrize("mode", VERSIONS)
@pytest.mark.parametrize("case", REFUSALS)
async def test_three_refusals_are_different(sandbox: RunningSandbox, mode: str, case: str) -> None:
    person, outcome, text = REFUSALS[case]
    async with connected(sandbox, mode, person) as (client, calls):
        result = await client.call_tool("send_event", EVENT)
    assert result.is_error
    assert result.structured_content["error"].startswith("Nothing was sent. ")
    assert text in result.structured_content["error"]
    assert outcomes(calls)[-1] == outcome
    assert calls[-1].context.confirmed_by is None
    assert not sandbox.workspace.events


@pytest.mark.parametrize("mode", VERSIONS)
async def test_fallback_allows_a_host_that_cannot_ask_and_nobody_who_declines(
    sandbox: RunningSandbox, mode: str
) -> None:
    async with connected(sandbox, mode, None, confirm_fallback="allow") as (client, calls):
        assert (await client.call_tool("send_event", EVENT)).structured_content["success"]
    assert calls[-1].context.confirmed_by == "nobody"
    async with connected(sandbox, mode, Person("decline"), confirm_fallback="allow") as (client, calls):
        assert (await client.call_tool("send_event", EVENT)).is_error
    assert len(sandbox.workspace.events) == 1


@pytest.mark.parametrize("mode", VERSIONS)
async def test_other_tools_and_smaller_segments_do_not_ask(sandbox: RunningSandbox, mode: str) -> None:
    person = Person()
    confirm = "add_customers_to_segment>5,add_customers_to_segment>2"
    async with connected(sandbox, mode, person, confirm=confirm) as (client, _):
        await client.call_tool("send_event", EVENT)
        await client.call_tool("create_or_update_customer", {"customer_id": "42", "email": "ann@example.com"})
        for ids in (["1", "2"], ["1", "2", "2"]):
            await client.call_tool("add_customers_to_segment", {"segment_id": "7", "customer_ids": ids})
        assert not person.questions
        await client.call_tool("add_customers_to_segment", {"segment_id": "7", "customer_ids": ["1", "2", "3"]})
    assert "Add 3 people to segment 7?" in person.questions[0].message


@pytest.mark.parametrize("mode", VERSIONS)
async def test_invalid_arguments_ask_nobody(sandbox: RunningSandbox, mode: str) -> None:
    person = Person()
    async with connected(sandbox, mode, person) as (client, calls):
        assert (await client.call_tool("send_event", {"customer_id": "42"})).is_error
    assert outcomes(calls) == ["invalid_arguments"]
    assert not person.questions


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (types.ErrorData(code=types.METHOD_NOT_FOUND, message="x"), "cannot_ask"),
        (types.ErrorData(code=types.INTERNAL_ERROR, message="x"), "confirmation_canceled"),
    ],
)
async def test_host_that_fails_to_ask(sandbox: RunningSandbox, error: types.ErrorData, outcome: str) -> None:
    async def fail(context: object, params: object) -> types.ErrorData:
        del context, params
        return error

    async with connected(sandbox, "legacy", fail) as (client, calls):
        assert (await client.call_tool("send_event", EVENT)).is_error
    assert outcomes(calls) == [outcome]


async def test_host_that_does_not_answer(sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(confirmation_requests, "ANSWER_TIMEOUT", 0.01)

    async def hang(context: object, params: object) -> types.ElicitResult:
        del context, params
        await anyio.sleep_forever()
        raise AssertionError("unreachable")

    async with connected(sandbox, "legacy", hang) as (client, calls):
        result = await client.call_tool("send_event", EVENT)
    assert "Nobody has answered the question" in result.structured_content["error"]
    assert outcomes(calls) == ["confirmation_canceled"]
    assert not sandbox.workspace.events


async def post(http: httpx.AsyncClient, message: dict[str, Any], token: str = TOKEN) -> httpx.Response:
    tool = str(message["params"]["name"])
    headers = bearer(token) | headers_of(MODERN, tool=tool)
    return await http.post("/mcp", headers=headers, content=json.dumps(message))  # ASCII, for lone surrogates


@asynccontextmanager
async def services(sandbox: RunningSandbox, *settings: dict[str, Any]) -> AsyncIterator[list[httpx.AsyncClient]]:
    """Run a service with two callers for each of `settings`."""
    async with AsyncExitStack() as stack:
        yield [
            await stack.enter_async_context(
                running_service(sandbox.url, {"confirm": "send_event"} | given, tokens=TWO_CALLERS)
            )
            for given in settings
        ]


async def asked(http: httpx.AsyncClient, message: dict[str, Any] | None = None) -> str:
    """Make the first round of a call; return the state."""
    result = message_in(await post(http, message or round_of()))["result"]
    assert result["resultType"] == "input_required"
    assert list(result["inputRequests"]) == ["confirmation"]
    assert result["inputRequests"]["confirmation"]["params"]["message"].startswith("Send the event")
    state: str = result["requestState"]
    return state


async def test_state_is_valid_on_every_replica_and_its_replay_is_the_same_event(sandbox: RunningSandbox) -> None:
    # The same key and workspace, in another form.
    replicas: tuple[dict[str, Any], ...] = {}, {"api_key": "sandbox", "site_id": "sandbox"}
    async with services(sandbox, *replicas) as (one, other):
        state = await asked(one)
        assert not sandbox.workspace.events
        # The same arguments in another form, and a replay on each of the replicas.
        accepted = [
            payload_in(await post(http, round_of(arguments, **answered(state))))
            for http, arguments in ((other, EVENT), (one, EVENT), (other, json.dumps(EVENT)))
        ]
    assert all(payload["success"] for payload in accepted)
    assert len({re.findall("[0-9A-Z]{26}", payload["message"])[-1] for payload in accepted}) == 1
    assert len(sandbox.workspace.events) == 1


async def test_state_of_something_else_is_rejected(
    sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    others: tuple[dict[str, Any], ...] = {"api_key": "sandbox:another"}, {"site_id": "other", "api_key": "sandbox"}
    async with services(sandbox, {}, *others, {"dry_run": True}) as (http, other_key, other_workspace, rehearsal):
        state = await asked(http)
        first = message_in(await post(rehearsal, round_of()))["result"]
        assert "nothing will be sent" in first["inputRequests"]["confirmation"]["params"]["message"]
        monkeypatch.setattr("time.time", lambda: 10.0)
        expired = await asked(http)
        monkeypatch.undo()
        other_event = round_of(EVENT | {"event_name": "refund"}, **answered(state))
        other_person = round_of(EVENT | {"customer_id": "43"}, **answered(state))
        other_tool = round_of(**answered(state), name="create_or_update_customer")
        attempts: list[tuple[httpx.AsyncClient, dict[str, Any], str]] = [
            (http, other_event, TOKEN),
            (http, other_person, TOKEN),
            (http, other_tool, TOKEN),
            (http, round_of(**answered(state)), OTHER_TOKEN),
            (other_key, round_of(**answered(state)), TOKEN),
            (other_workspace, round_of(**answered(state)), TOKEN),
            (http, round_of(**answered(first["requestState"])), TOKEN),
            (http, round_of(**answered(expired)), TOKEN),
            (http, round_of(**answered(f"{state[:-8]}AAAAAAAA")), TOKEN),
            (http, round_of(**answered("\ud800")), TOKEN),
            *((http, round_of(**answered(value)), TOKEN) for value in INVALID_STATES),
        ]
        for service, message, token in attempts:
            error = message_in(await post(service, message, token))["error"]
            assert error["code"] == -32602 or "lone surrogates" in error["message"]
            assert error["message"].startswith(("Invalid requestState: nothing was sent. ", "Invalid request: ")), (
                message
            )
        assert not sandbox.workspace.events
        # It is still valid for what it was made for.
        assert payload_in(await post(http, round_of(**answered(state))))["success"]
    assert "Traceback" not in caplog.text


async def test_declined_call_is_not_sent_by_a_replica_with_other_settings(sandbox: RunningSandbox) -> None:
    async with services(sandbox, {}, {"confirm": "create_or_update_customer"}, {"confirm": ""}) as (http, *others):
        state = await asked(http)
        for other in others:
            message = message_in(await post(other, round_of(**answered(state, {"action": "decline"}))))
            text = str(message.get("error") or message["result"]["structuredContent"])
            assert "nothing was sent" in text.lower()
        assert not sandbox.workspace.events
        assert payload_in(await post(others[0], round_of(**answered(state))))["success"]
        assert payload_in(await post(http, round_of(**answered(state))))["success"]
    assert len(sandbox.workspace.events) == 1


async def test_call_that_is_dispatched_twice_is_one_event(sandbox: RunningSandbox) -> None:
    """The first round ends before the second call arrives, so they are not joined."""
    async with services(sandbox, {"max_events_per_hour": 2}) as (http,):
        states = [await asked(http), await asked(http)]
        messages = [payload_in(await post(http, round_of(**answered(state))))["message"] for state in states]
        assert ["one event is recorded for both" in message for message in messages] == [False, True]
        assert len(sandbox.workspace.events) == 1

        # After an answer, an identical call is another event.
        assert payload_in(await post(http, round_of(**answered(await asked(http)))))["success"]
        assert len(sandbox.workspace.events) == 2
        state = await asked(http)
        assert not payload_in(await post(http, round_of(**answered(state, {"action": "decline"}))))["success"]
        assert not payload_in(await post(http, round_of(**answered(await asked(http)))))["success"]  # the maximum
        # Neither does an answer that was refused count as sent, nor does it pass the maximum the second time.
        assert not payload_in(await post(http, round_of(**answered(state))))["success"]
    assert len(sandbox.workspace.events) == 2


@pytest.mark.parametrize("window", [900, 0])
async def test_second_open_question_is_the_event_whose_outcome_is_unknown(
    scripted: ScriptedServer, window: int
) -> None:
    settings = {"confirm": "send_event", "max_attempts": 1, "resend_window": window}
    async with running_service(scripted.url, settings) as http:
        states = [await asked(http), await asked(http)]
        scripted.acts = [reset]
        for state in states:
            await post(http, round_of(**answered(state)))
        result = message_in(await post(http, round_of(**answered(states[1]))))["result"]
    ids = [request.json["id"] for request in scripted.requests]
    assert len(ids) == 3
    assert len(set(ids)) == 1
    assert result["_meta"]["customerio-track-mcp/event-id"] == ids[0]


@pytest.mark.parametrize("window", [900, 0])
async def test_idempotency_key_of_an_answered_call_decides(scripted: ScriptedServer, window: int) -> None:
    """A host may leave `_meta` out of one of the rounds."""
    settings = {"confirm": "send_event", "resend_window": window}

    def keyed(**params: Any) -> dict[str, Any]:
        message = round_of(**params)
        message["params"]["_meta"]["customerio-track-mcp/idempotency-key"] = "A-17"
        return message

    async with running_service(scripted.url, settings) as http:
        for first, second in ((keyed, keyed), (round_of, keyed), (keyed, round_of)):
            assert payload_in(await post(http, second(**answered(await asked(http, first())))))["success"]
    assert len({request.json["id"] for request in scripted.requests}) == 1


async def test_event_is_remembered_for_as_long_as_a_person_may_take(
    sandbox: RunningSandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [1000.0]
    monkeypatch.setattr(memory_module, "monotonic", lambda: now[0])
    settings = Settings(api_key="sandbox:sandbox", confirm="send_event", resend_window=60, time_budget=5)
    async with open_memory(Upstream(settings, sandbox.url)) as memory:
        await memory.claim(b"a", "1")
        now[0] += ANSWER_TIMEOUT + 5
        await memory.claim(b"b", "2")
        memory.keep(b"a", "1")
        now[0] += 59
        assert (await memory.claim(b"a", "3")).event_id == "1"


async def test_missing_answer_asks_again_with_the_same_event(sandbox: RunningSandbox) -> None:
    async with services(sandbox, {}) as (http,):
        state = await asked(http)
        missing: tuple[object, ...] = ({}, None, {"other": ACCEPT}, {"confirmation": {"roots": []}}, [])
        for responses in missing:
            again = round_of(requestState=state, inputResponses=responses)
            state = await asked(http, again)
        # An answer without a state is not one to a question of this server.
        await asked(http, round_of(inputResponses={"confirmation": ACCEPT}))
        assert not sandbox.workspace.events
        extra = {"confirmation": ACCEPT, "other": ACCEPT}
        assert payload_in(await post(http, round_of(requestState=state, inputResponses=extra)))["success"]
    assert len(sandbox.workspace.events) == 1


async def test_malformed_answers_send_nothing(sandbox: RunningSandbox) -> None:
    async with services(sandbox, {}) as (http,):
        state = await asked(http)
        for answer in INVALID_ANSWERS:
            message = message_in(await post(http, round_of(**answered(state, answer))))
            assert message.get("error", {}).get("code") == -32602 or "requestState" in message["result"], answer
        for responses in INVALID_RESPONSES:
            message = message_in(await post(http, round_of(requestState=state, inputResponses=responses)))
            assert message["error"]["code"] == -32602, responses
    assert not sandbox.workspace.events


async def test_hosts_that_cannot_show_a_form_are_not_asked(sandbox: RunningSandbox) -> None:
    async with services(sandbox, {}, {"confirm_fallback": "allow"}) as (refusing, allowing):
        forms: list[object] = [{"form": {}}, []]
        for elicitation in forms:
            await asked(refusing, round_of(capabilities={"elicitation": elicitation}))
        others: tuple[dict[str, Any], ...] = ({}, {"sampling": {}}, {"elicitation": {"url": {}}})
        for capabilities in others:
            payload = payload_in(await post(refusing, round_of(capabilities=capabilities)))
            assert "does not support elicitation" in payload["error"]
            assert not sandbox.workspace.events
        # Who declines is not overruled by what the host declares.
        declined = round_of(capabilities={}, **answered(await asked(allowing), {"action": "decline"}))
        assert not payload_in(await post(allowing, declined))["success"]
        assert not sandbox.workspace.events
        assert payload_in(await post(allowing, round_of(capabilities={})))["success"]


async def test_protocol_2025_11_25_over_http_cannot_ask(sandbox: RunningSandbox) -> None:
    """Neither is a state read, which that version does not have."""
    async with services(sandbox, {}, {"confirm_fallback": "allow"}) as (refusing, allowing):
        message = round_of(requestState="x", inputResponses={"confirmation": ACCEPT})
        del message["params"]["_meta"]
        headers = bearer(TOKEN) | headers_of(LEGACY)
        payload = payload_in(await refusing.post("/mcp", headers=headers, json=message))
        assert "over HTTP, this host's version of MCP cannot ask" in payload["error"]
        assert payload_in(await allowing.post("/mcp", headers=headers, json=message))["success"]


async def test_unknown_tool_with_a_state_is_a_protocol_error(sandbox: RunningSandbox) -> None:
    async with connected(sandbox, "auto", Person()) as (client, _):
        with pytest.raises(MCPError, match="Unknown tool"):
            await client.call_tool("no_tool", {})


async def test_a_dry_run_asks_and_says_that_nothing_will_be_sent(sandbox: RunningSandbox) -> None:
    person = Person("decline")
    async with connected(sandbox, "auto", person, dry_run=True) as (client, _):
        await client.call_tool("send_event", EVENT)
    assert person.questions[0].message == f"This is a dry run: nothing will be sent. {QUESTION}"


async def test_logs_contain_who_confirmed_and_nothing_of_the_question(
    sandbox: RunningSandbox, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "customerio_track_mcp")
    async with connected(sandbox, "auto", Person()) as (client, _):
        await client.call_tool("send_event", EVENT)
    lines = [vars(record) for record in caplog.records if record.getMessage() == "tool call"]
    assert [(line["outcome"], line.get("confirmed_by")) for line in lines] == [
        ("confirmation_required", None),
        ("ok", "person"),
    ]
    assert "purchase" not in str(lines)
