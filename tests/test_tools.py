"""What the three tools answer, and what has arrived in the sandbox."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import anyio
import pytest

from customerio_track_mcp.sandbox import RunningSandbox
from customerio_track_mcp.tools.handlers import Tools
from customerio_track_mcp.track import Credentials, Patience, TrackClient
from tests.conftest import IMPATIENT
from tests.scripted import Act, ScriptedServer, answer, hang, reset

ANN: dict[str, Any] = {"customer_id": "1", "email": "ann@example.com"}
EVENT: dict[str, Any] = {"customer_id": "1", "event_name": "bought"}


@pytest.fixture
def tools(client: TrackClient) -> Tools:
    return Tools(client)


@pytest.fixture
async def scripted_tools(scripted: ScriptedServer) -> AsyncIterator[Tools]:
    async with TrackClient(Credentials("site", "key"), scripted.url, patience=IMPATIENT) as client:
        yield Tools(client)


async def test_a_customer_arrives_with_everything_that_was_given(tools: Tools, sandbox: RunningSandbox) -> None:
    output = await tools.create_or_update_customer(
        ANN | {"created_at": 1_700_000_000, "attributes": {"plan": "pro", "gone": None}}
    )
    assert output.model_dump() == {
        "success": True,
        "error": None,
        "message": "The Track API accepted customer '1' with 4 attributes.",
        "customer_id": "1",
        "email": "ann@example.com",
    }
    (person,) = sandbox.workspace.people
    assert (person.id, person.email) == ("1", "ann@example.com")
    assert person.attributes == {"created_at": 1_700_000_000, "plan": "pro"}


async def test_an_event_arrives_with_type_and_data(tools: Tools, sandbox: RunningSandbox) -> None:
    output = await tools.send_event(EVENT | {"event_type": "page", "data": '{"price": 2}'})
    (event,) = sandbox.workspace.events
    assert (event.name, event.type, event.data) == ("bought", "page", {"price": 2})
    assert output.success
    assert (output.customer_id, output.event_name) == ("1", "bought")
    assert event.id is not None
    assert event.id in str(output.message)


async def test_customers_arrive_in_the_segment_and_the_count_is_of_different_ids(
    tools: Tools, sandbox: RunningSandbox
) -> None:
    await tools.create_or_update_customer(ANN)
    output = await tools.add_customers_to_segment({"segment_id": 2, "customer_ids": [1, "1", "ann@example.com"]})
    assert output.success
    assert (output.segment_id, output.customer_count, output.id_type) == ("2", 2, "id")
    assert "1 repeated id went once" in str(output.message)
    assert "1 of the ids looks like an email address" in str(output.message)
    assert len(sandbox.workspace.segments[2].members) == 1


async def test_two_calls_are_two_events(tools: Tools, sandbox: RunningSandbox) -> None:
    await tools.send_event(EVENT)
    await tools.send_event(EVENT)
    assert len(sandbox.workspace.events) == 2


async def test_all_problems_of_form_content_and_policy_are_told_and_nothing_is_sent(
    tools: Tools, sandbox: RunningSandbox
) -> None:
    output = await tools.create_or_update_customer(
        {
            "customer_id": None,
            "email": "ann",
            "created_at": 1_700_000_000_000,
            "attributes": {"unsubscribed": True, "note": "x" * 1001},
            "plan": "pro",
        }
    )
    assert not output.success
    assert output.error is not None
    assert output.error.startswith("Nothing was sent. ")
    assert output.error.endswith("Correct them all and call the tool again.")
    for parameter in ("customer_id", "email", "created_at", "attributes.unsubscribed", "attributes.note", "plan"):
        assert f"{parameter}: " in output.error
    assert "in seconds it is 1700000000" in output.error
    assert (output.customer_id, output.email, output.message) == (None, None, None)
    assert list(sandbox.workspace.people) == []


async def test_one_problem_is_told_as_one(tools: Tools) -> None:
    output = await tools.send_event(EVENT | {"event_name": "n" * 101})
    assert output.error == (
        "Nothing was sent. event_name: is 101 bytes long; at most 100 bytes of UTF-8 are allowed. "
        "Correct it and call the tool again."
    )


@pytest.mark.parametrize(
    ("inside", "created_at", "told", "arrives"),
    [
        ({"email": "Ann@Example.com "}, None, None, None),
        ({"email": "bob@example.com"}, None, "attributes.email: contradicts", None),
        ({"email": None}, None, "attributes.email: contradicts", None),
        ({"created_at": 1_700_000_000}, 1_700_000_000, None, 1_700_000_000),
        ({"created_at": 1_700_000_000}, None, None, 1_700_000_000),
        ({"created_at": 1_700_000_001}, 1_700_000_000, "attributes.created_at: contradicts", None),
        ({"created_at": None}, 1_700_000_000, "attributes.created_at: contradicts", None),
        ({"created_at": "1700000000"}, None, "attributes.created_at: has to be a whole number", None),
        ({"created_at": True}, None, "attributes.created_at: has to be a whole number", None),
        ({"created_at": 1_700_000_000_000}, None, "attributes.created_at: is in milliseconds", None),
        ({" email": "bob@example.com"}, None, "attributes name ' email': has white space around it", None),
    ],
)
async def test_email_and_created_at_inside_attributes_have_to_agree(
    tools: Tools,
    sandbox: RunningSandbox,
    inside: dict[str, object],
    created_at: int | None,
    told: str | None,
    arrives: int | None,
) -> None:
    output = await tools.create_or_update_customer(ANN | {"created_at": created_at, "attributes": inside})
    assert output.success is (told is None), output.error
    if told:
        assert told in str(output.error)
    else:
        (person,) = sandbox.workspace.people
        assert person.email == "ann@example.com"
        assert person.attributes.get("created_at") == arrives


async def test_null_clears_created_at_too(tools: Tools, sandbox: RunningSandbox) -> None:
    await tools.create_or_update_customer(ANN | {"created_at": 1_700_000_000})
    assert (await tools.create_or_update_customer(ANN | {"attributes": {"created_at": None}})).success
    assert [person.attributes for person in sandbox.workspace.people] == [{}]


@pytest.mark.parametrize(
    ("customer_id", "email", "told"),
    [
        ("Ann@example.com", "ann@example.com", None),
        ("bob@example.com", "ann@example.com", "email: differs from customer_id, which is an email address too"),
        ("bob@example.com", None, "email: is required"),
        ("bob@example.com", "ann", "email: is no email address"),
    ],
)
async def test_an_address_as_customer_id_has_to_be_the_email(
    tools: Tools, customer_id: str, email: str | None, told: str | None
) -> None:
    given = {"customer_id": customer_id} | ({"email": email} if email else {})
    output = await tools.create_or_update_customer(given)
    assert output.success is (told is None)
    assert (told or "") in str(output.error)
    assert told is None or str(output.error).count("email: ") == 1


async def test_an_allowed_reserved_key_is_sent(client: TrackClient, sandbox: RunningSandbox) -> None:
    tools = Tools(client, allowed_keys={"unsubscribed", "recipient"})
    assert (await tools.create_or_update_customer(ANN | {"attributes": {"unsubscribed": True}})).success
    assert (await tools.send_event(EVENT | {"data": {"recipient": "ann@example.com"}})).success
    assert (await tools.send_event(EVENT | {"data": {"reply_to": "ann@example.com"}})).success is False
    (person,) = sandbox.workspace.people
    assert person.attributes == {"unsubscribed": True}
    assert [event.data for event in sandbox.workspace.events] == [{"recipient": "ann@example.com"}]


async def test_without_a_site_id_the_answer_says_what_to_set(sandbox: RunningSandbox) -> None:
    async with TrackClient(None, sandbox.url) as client:
        output = await Tools(client).send_event(EVENT)
    assert not output.success
    assert "CUSTOMERIO_SITE_ID" in str(output.error)
    assert (output.customer_id, output.event_name) == ("1", "bought")


@pytest.mark.parametrize(
    ("act", "told"),
    [
        (answer(401, "{}"), ["Tracking API key", "App API key is a different credential", "CUSTOMERIO_SITE_ID"]),
        (answer(307, "", Location="https://track-eu.customer.io/"), ["set CUSTOMERIO_REGION=EU"]),
        (answer(302, "", Location="https://elsewhere.example/"), ["customerio-track-mcp check"]),
        (answer(404, '{"meta": {"error": "segment not found"}}'), ["404: segment not found", "be a manual one"]),
        (answer(503, "", Retry_After="600"), ["unknown", "in 600 seconds, which is safe"]),
        (answer(503, "", Retry_After="9" * 30), ["in 86400 seconds"]),
        (
            answer(429, "{}", Retry_After="600"),
            ["was not carried out", "with the same arguments in 600 seconds"],
        ),
    ],
)
async def test_each_refusal_says_what_to_do(
    scripted: ScriptedServer, scripted_tools: Tools, act: Act, told: list[str]
) -> None:
    scripted.acts = [act]
    output = await scripted_tools.add_customers_to_segment({"segment_id": "7", "customer_ids": ["1"]})
    assert not output.success
    for words in told:
        assert words in str(output.error)
    assert (output.segment_id, output.customer_count, output.id_type) == ("7", None, "id")


async def test_an_event_of_unknown_outcome_is_named_and_not_to_be_repeated(
    scripted: ScriptedServer, scripted_tools: Tools
) -> None:
    scripted.acts = [reset] * 4
    output = await scripted_tools.send_event(EVENT)
    assert not output.success
    (event_id,) = {request.json["id"] for request in scripted.requests}
    assert f"unknown (4 attempts). Its id is {event_id}. Do not send the event again by yourself" in str(output.error)


@pytest.mark.parametrize("final", [answer(401, "{}"), answer(307, "", Location="https://track-eu.customer.io/")])
async def test_a_lost_reply_is_not_forgotten_when_something_else_fails_later(
    scripted: ScriptedServer, scripted_tools: Tools, final: Act
) -> None:
    scripted.acts = [reset, final]
    output = await scripted_tools.send_event(EVENT)
    assert f"Its id is {scripted.requests[0].json['id']}. Do not send the event again" in str(output.error)
    assert "CUSTOMERIO_REGION" in str(output.error)


async def test_an_answer_that_is_not_the_track_apis_leaves_the_outcome_open(
    scripted: ScriptedServer, scripted_tools: Tools
) -> None:
    scripted.acts = [answer(200, "<html>")]
    output = await scripted_tools.create_or_update_customer(ANN)
    assert "Whether the request was carried out is unknown. Call again with the same arguments" in str(output.error)


async def test_an_update_of_unknown_outcome_may_be_repeated(scripted: ScriptedServer, scripted_tools: Tools) -> None:
    scripted.acts = [answer(503, "")] * 4
    output = await scripted_tools.create_or_update_customer(ANN)
    assert "Call again with the same arguments in a minute, which is safe" in str(output.error)


async def test_a_success_at_a_later_attempt_says_so(scripted: ScriptedServer, scripted_tools: Tools) -> None:
    scripted.acts = [answer(503, "")]
    output = await scripted_tools.create_or_update_customer(ANN)
    assert str(output.message).endswith("with 1 attribute at attempt 2.")


async def test_an_event_that_was_never_sent_may_be_sent_again(scripted: ScriptedServer) -> None:
    async with TrackClient(
        Credentials("site", "key"), scripted.url, requests_per_second=0.1, patience=Patience(time_budget=0.2)
    ) as client:
        tools = Tools(client)
        assert (await tools.send_event(EVENT)).success
        output = await tools.send_event(EVENT)
    assert "before anything was sent. The request was not carried out. Call again" in str(output.error)


async def test_cancelling_a_tool_cancels_its_request(scripted: ScriptedServer, scripted_tools: Tools) -> None:
    scripted.acts = [hang]
    call = asyncio.create_task(scripted_tools.send_event(EVENT))
    await scripted.received.wait()
    call.cancel()
    with anyio.fail_after(5):
        await scripted.client_left.wait()
    with pytest.raises(asyncio.CancelledError):
        await call
