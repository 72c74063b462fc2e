"""What the tools answer to input that Customer.io would misread: a rejection, or a note in the message."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from mcp import Client

from customerio_track_mcp.mcp_server import create_mcp_server
from customerio_track_mcp.sandbox import RunningSandbox
from customerio_track_mcp.tools.handlers import ToolHandlers
from customerio_track_mcp.track import RESERVED_KEYS, TrackClient

ANN: dict[str, Any] = {"customer_id": "1", "email": "ann@example.com"}


@pytest.fixture(params=["legacy", "auto"])
async def mcp_client(client: TrackClient, request: pytest.FixtureRequest) -> AsyncIterator[Client]:
    async with Client(create_mcp_server(ToolHandlers(client, RESERVED_KEYS)), mode=request.param) as connected:
        yield connected


async def call(mcp_client: Client, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    result = await mcp_client.call_tool(name, arguments)
    payload: dict[str, Any] = result.structured_content
    assert payload["success"] is not result.is_error
    return payload


@pytest.mark.parametrize(
    ("name", "arguments", "error"),
    [
        (
            "create_or_update_customer",
            ANN | {"email": "\ufeffann@example.com"},
            "email: is not a valid email address: it contains the invisible character U+FEFF (ZERO WIDTH NO-BREAK "
            "SPACE) at position 0, counted from 0; remove it",
        ),
        ("create_or_update_customer", ANN | {"attributes": {"pl\u00adan": 1}}, "attributes name 'pl�an': contains"),
        ("create_or_update_customer", ANN | {"customer_id": "J�rgen"}, "U+FFFD (REPLACEMENT CHARACTER) at position 1"),
        ("send_event", {"customer_id": "1\x85", "event_name": "x"}, "customer_id: contains the control charac"),
        ("send_event", {"customer_id": "1", "event_name": "bought\x1c"}, "event_name: contains the control character"),
        (
            "add_customers_to_segment",
            {"segment_id": "1", "customer_ids": ["1", "2\u200b"]},
            "customer_ids[1]: contains the invisible character U+200B (ZERO WIDTH SPACE) at position 1",
        ),
        ("send_event", {"customer_id": " Undefined ", "event_name": "x"}, "customer_id: is a placeholder"),
        ("add_customers_to_segment", {"segment_id": "1", "customer_ids": "[\"null\"]"}, "customer_ids[0]: is a placeh"),
        ("create_or_update_customer", ANN | {"email": "{{customer.email}}"}, "email: is a placeholder"),
        ("create_or_update_customer", ANN | {"created_at": 0}, "created_at: is before 2000-01-01"),
        ("create_or_update_customer", ANN | {"created_at": "0"}, "created_at: is before 2000-01-01"),
        ("create_or_update_customer", ANN | {"attributes": {"created_at": 0}}, "attributes.created_at: is before 2000"),
        ("create_or_update_customer", ANN | {"attributes": {"_timestamp": 0}}, "attributes._timestamp: is before 2000"),
        ("create_or_update_customer", ANN | {"attributes": {"unsubscribed": "yes"}}, "attributes.unsubscribed: must"),
        (
            "create_or_update_customer",
            {"customer_id": "ann@example.com", "email": "ann@new.example"},
            "to change an address, pass 'cio_' followed by the person's cio_id as customer_id, or their id if the "
            'workspace has "Allow updates to email using ID" enabled',
        ),
    ],
)  # fmt: skip
async def test_input_that_would_be_lost_or_misread_is_rejected(
    mcp_client: Client, sandbox: RunningSandbox, name: str, arguments: dict[str, Any], error: str
) -> None:
    payload = await call(mcp_client, name, arguments)
    assert error in payload["error"]
    assert payload["error"].startswith("Nothing was sent. ")
    assert (list(sandbox.workspace.people), list(sandbox.workspace.events)) == ([], [])


async def test_doubts_about_attributes_are_in_the_message(mcp_client: Client, sandbox: RunningSandbox) -> None:
    attributes = {"renews_at": 1_767_225_600_000, "trial_end_date": "2026-01-01", "Unsubscribed": True, "plan": "pro"}
    payload = await call(mcp_client, "create_or_update_customer", ANN | {"attributes": attributes})
    assert payload["message"].endswith(
        " Unsubscribed: sent as ordinary data with no effect; attribute names are case-sensitive, and only the "
        "lower-case ones are special. renews_at, trial_end_date: Customer.io will not read these as times; it "
        "reads times as UNIX seconds only."
    )
    assert [person.attributes for person in sandbox.workspace.people] == [attributes]


async def test_consent_is_sent_as_a_boolean(mcp_client: Client, sandbox: RunningSandbox) -> None:
    attributes = {"unsubscribed": "TRUE", "cio_subscription_preferences.topics.topic_1": 0}
    assert (await call(mcp_client, "create_or_update_customer", ANN | {"attributes": attributes}))["success"]
    (person,) = sandbox.workspace.people
    assert person.attributes == {"unsubscribed": True, "cio_subscription_preferences.topics.topic_1": False}
    assert person.attributes["unsubscribed"] is True


async def test_timestamp_in_event_data_is_sent_with_a_note(mcp_client: Client, sandbox: RunningSandbox) -> None:
    arguments = {"customer_id": "1", "event_name": "bought", "data": {"timestamp": 1_700_000_000}}
    payload = await call(mcp_client, "send_event", arguments)
    assert payload["message"].endswith("events are recorded as of now and cannot be backdated here.")
    (event,) = sandbox.workspace.events
    assert event.data == {"timestamp": 1_700_000_000}


async def test_cio_ids_among_ids_are_pointed_out(mcp_client: Client) -> None:
    arguments = {"segment_id": "1", "customer_ids": ["cio_03000001", "cio_03000002", "cio_03000002"]}
    payload = await call(mcp_client, "add_customers_to_segment", arguments)
    assert payload["message"].endswith(
        " 1 repeated id was sent once. 2 ids look like a cio_id and can only match people whose id is that text. If "
        "that was not intended, call again with id_type 'cio_id'."
    )


async def test_reserved_key_with_an_invalid_value_is_reported_once(client: TrackClient) -> None:
    output = await ToolHandlers(client).create_or_update_customer(ANN | {"attributes": {"unsubscribed": "yes"}})
    assert str(output.error).count("attributes.unsubscribed: ") == 1
    assert "is a reserved key" in str(output.error)
