"""What the three tools return, and what the sandbox receives."""

from __future__ import annotations

import asyncio
from typing import Any

import anyio
import pytest

from customerio_track_mcp.sandbox import RunningSandbox
from customerio_track_mcp.tools.handlers import ToolHandlers
from customerio_track_mcp.track import NOT_SECONDS, TrackClient
from tests.support.scripted_server import ScriptedServer, hang, respond

ANN: dict[str, Any] = {"customer_id": "1", "email": "ann@example.com"}
EVENT: dict[str, Any] = {"customer_id": "1", "event_name": "bought"}


async def test_customer_is_created_with_every_attribute(handlers: ToolHandlers, sandbox: RunningSandbox) -> None:
    output = await handlers.create_or_update_customer(
        ANN | {"created_at": 1_700_000_000, "attributes": {"plan": "pro", "gone": None}}
    )
    assert output.model_dump() == {
        "success": True,
        "error": None,
        "message": (
            "The Track API accepted customer '1' with 4 attributes. It does not report drops: an email that differs "
            "from the one set, or that another person has, drops the whole update; an unknown cio_id does too, and a "
            "suppressed person is ignored. A new customer_id with a known email renames that person."
        ),
        "customer_id": "1",
        "email": "ann@example.com",
    }
    (person,) = sandbox.workspace.people
    assert (person.id, person.email) == ("1", "ann@example.com")
    assert person.attributes == {"created_at": 1_700_000_000, "plan": "pro"}


async def test_event_is_recorded_with_type_and_data(handlers: ToolHandlers, sandbox: RunningSandbox) -> None:
    output = await handlers.send_event(EVENT | {"event_type": "page", "data": '{"price": 2}'})
    (event,) = sandbox.workspace.events
    assert (event.name, event.type, event.data) == ("bought", "page", {"price": 2})
    assert output.success
    assert (output.customer_id, output.event_name) == ("1", "bought")
    assert event.id is not None
    assert event.id in str(output.message)


async def test_customers_are_added_to_the_segment_and_distinct_ids_are_counted(
    handlers: ToolHandlers, sandbox: RunningSandbox
) -> None:
    await handlers.create_or_update_customer(ANN)
    output = await handlers.add_customers_to_segment({"segment_id": 2, "customer_ids": [1, "1", "ann@example.com"]})
    assert output.success
    assert (output.segment_id, output.customer_count, output.id_type) == ("2", 2, "id")
    assert "1 repeated id was sent once" in str(output.message)
    assert "1 id looks like an email address" in str(output.message)
    assert len(sandbox.workspace.segments[2].members) == 1


async def test_repeated_call_records_another_event(handlers: ToolHandlers, sandbox: RunningSandbox) -> None:
    await handlers.send_event(EVENT)
    await handlers.send_event(EVENT)
    assert len(sandbox.workspace.events) == 2


async def test_all_problems_are_reported_together_and_nothing_is_sent(
    handlers: ToolHandlers, sandbox: RunningSandbox
) -> None:
    output = await handlers.create_or_update_customer(
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
    assert output.error.endswith("Correct all of them and call again.")
    for parameter in ("customer_id", "email", "created_at", "attributes.unsubscribed", "attributes.note", "plan"):
        assert f"{parameter}: " in output.error
    assert "looks like milliseconds; pass seconds (1700000000, " in output.error
    assert (output.customer_id, output.email, output.message) == (None, None, None)
    assert list(sandbox.workspace.people) == []


async def test_single_problem_is_reported_in_the_singular(handlers: ToolHandlers) -> None:
    output = await handlers.send_event(EVENT | {"event_name": "n" * 101})
    assert output.error == (
        "Nothing was sent. event_name: is 101 bytes long; the maximum is 100 bytes of UTF-8. Correct it and call again."
    )


@pytest.mark.parametrize(
    ("attributes", "created_at", "error", "recorded"),
    [
        ({"email": "Ann@Example.com "}, None, None, None),
        ({"email": "bob@example.com"}, None, "attributes.email: contradicts", None),
        ({"email": None}, None, "attributes.email: contradicts", None),
        ({"created_at": 1_700_000_000}, 1_700_000_000, None, 1_700_000_000),
        ({"created_at": 1_700_000_000}, None, None, 1_700_000_000),
        ({"created_at": 1_700_000_001}, 1_700_000_000, "attributes.created_at: contradicts", None),
        ({"created_at": None}, 1_700_000_000, "attributes.created_at: contradicts", None),
        ({"created_at": "1700000000"}, 1_700_000_000, None, 1_700_000_000),
        ({"created_at": 1_700_000_000.0}, 1_700_000_000, None, 1_700_000_000),
        ({"created_at": "1700000000"}, None, None, 1_700_000_000),
        ({"created_at": " 1700000000 "}, None, None, 1_700_000_000),
        ({"created_at": 1_700_000_000.0}, None, None, 1_700_000_000),
        ({"created_at": "1700000001"}, 1_700_000_000, "attributes.created_at: contradicts", None),
        ({"created_at": "1700000000000"}, None, "attributes.created_at: 1700000000000 looks like milliseconds", None),
        ({"created_at": "2026-01-01"}, None, f"attributes.created_at: {NOT_SECONDS}", None),
        ({"created_at": 1_700_000_000.5}, None, f"attributes.created_at: {NOT_SECONDS}", None),
        ({"created_at": True}, None, "attributes.created_at: must be a whole number", None),
        ({"created_at": 1_700_000_000_000}, None, "attributes.created_at: 1700000000000 looks like milliseconds", None),
        ({" email": "bob@example.com"}, None, "attributes name ' email': has surrounding whitespace", None),
    ],
)
async def test_email_and_created_at_in_attributes_must_agree_with_the_parameters(
    handlers: ToolHandlers,
    sandbox: RunningSandbox,
    attributes: dict[str, object],
    created_at: int | None,
    error: str | None,
    recorded: int | None,
) -> None:
    output = await handlers.create_or_update_customer(ANN | {"created_at": created_at, "attributes": attributes})
    assert output.success is (error is None), output.error
    if error:
        assert error in str(output.error)
    else:
        (person,) = sandbox.workspace.people
        assert person.email == "ann@example.com"
        assert person.attributes.get("created_at") == recorded
        assert not isinstance(person.attributes.get("created_at"), float)


async def test_null_clears_created_at(handlers: ToolHandlers, sandbox: RunningSandbox) -> None:
    await handlers.create_or_update_customer(ANN | {"created_at": 1_700_000_000})
    assert (await handlers.create_or_update_customer(ANN | {"attributes": {"created_at": None}})).success
    assert [person.attributes for person in sandbox.workspace.people] == [{}]


@pytest.mark.parametrize(
    ("customer_id", "email", "error"),
    [
        ("Ann@example.com", "ann@example.com", None),
        ("bob@example.com", "ann@example.com", "email: differs from customer_id, which is an email address too"),
        ("bob@example.com", None, "email: is required"),
        ("bob@example.com", "ann", "email: is not a valid email address"),
    ],
)
async def test_email_address_as_customer_id_must_equal_email(
    handlers: ToolHandlers, customer_id: str, email: str | None, error: str | None
) -> None:
    arguments = {"customer_id": customer_id} | ({"email": email} if email else {})
    output = await handlers.create_or_update_customer(arguments)
    assert output.success is (error is None)
    assert (error or "") in str(output.error)
    assert error is None or str(output.error).count("email: ") == 1


async def test_allowed_reserved_key_is_sent(client: TrackClient, sandbox: RunningSandbox) -> None:
    handlers = ToolHandlers(client, allowed_keys={"unsubscribed", "recipient"})
    assert (await handlers.create_or_update_customer(ANN | {"attributes": {"unsubscribed": True}})).success
    assert (await handlers.send_event(EVENT | {"data": {"recipient": "ann@example.com"}})).success
    assert (await handlers.send_event(EVENT | {"data": {"reply_to": "ann@example.com"}})).success is False
    (person,) = sandbox.workspace.people
    assert person.attributes == {"unsubscribed": True}
    assert [event.data for event in sandbox.workspace.events] == [{"recipient": "ann@example.com"}]


async def test_success_on_a_later_attempt_is_mentioned(
    scripted: ScriptedServer, scripted_handlers: ToolHandlers
) -> None:
    scripted.acts = [respond(503, "")]
    output = await scripted_handlers.create_or_update_customer(ANN)
    assert " with 1 attribute on attempt 2. " in str(output.message)


async def test_canceled_tool_cancels_its_request(scripted: ScriptedServer, scripted_handlers: ToolHandlers) -> None:
    scripted.acts = [hang]
    call = asyncio.create_task(scripted_handlers.send_event(EVENT))
    await scripted.received.wait()
    call.cancel()
    with anyio.fail_after(30):
        await scripted.client_left.wait()
    with pytest.raises(asyncio.CancelledError):
        await call
